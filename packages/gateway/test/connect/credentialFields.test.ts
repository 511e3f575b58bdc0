import { describe, expect, it } from 'vitest'
import { presentCredential } from '../../src/accounts/presentCredential.ts'
import type { ConnectionAuth, Credential } from '../../src/domain.ts'
import { listen } from '../../../../test/src/fixtures/listen.ts'
import { createHttpBrowser } from '../../../../test/src/fixtures/browser/httpBrowser.ts'
import { createVerifyCredential } from '../../src/upstream/verifyCredential.ts'
import { closeAfterTest } from '../oauth/support/cleanup.ts'
import { connectionTo, createParts } from '../oauth/support/parts.ts'
import { startWorld } from '../oauth/support/world.ts'

const CANARY = 'canary-3b9f'
const SEVERAL: ConnectionAuth = {
  type: 'api_key',
  fields: [
    { name: 'site', label: 'Site', secret: false, header: 'X-Site' },
    { name: 'key', label: 'API key', secret: true, header: 'Authorization', prefix: 'Token ' },
    { name: 'tenant', label: 'Tenant', secret: false, query: 'tenant' },
  ],
}

async function startForm(auth: ConnectionAuth, verdict: 'accepted' | 'rejected' = 'accepted') {
  const given: Credential[] = []
  const world = await startWorld({
    auth,
    verifyCredential: async (_connection, credential) => {
      given.push(credential)
      return verdict
    },
  })
  const page = await createHttpBrowser().open(world.newLink().url)
  return { ...world, given, page }
}

/** An upstream that keeps what it was asked with. */
async function startUpstream() {
  const seen: { path: string; headers: Headers }[] = []
  const { origin, close } = await listen(async (request) => {
    const { pathname, search } = new URL(request.url)
    seen.push({ path: pathname + search, headers: request.headers })
    const { id }: { id: unknown } = JSON.parse(await request.text())
    const result = { supportedVersions: ['2026-07-28'], capabilities: {}, tools: [] }
    return Response.json({ jsonrpc: '2.0', id, result })
  })
  closeAfterTest({ close })
  return { url: `${origin}/mcp?v=1`, seen }
}

function noProgram(): never {
  throw new Error('a program was started for a server at a URL')
}

describe('the form for several fields', () => {
  it('asks for each by its label and connects with all of them', async () => {
    const { page, given, accounts, accountId } = await startForm(SEVERAL)
    expect(page.fields).toEqual(['Site', 'API key', 'Tenant'])
    expect(page.html.match(/type="password"/g)).toHaveLength(1)
    const values = { Site: ' acme ', 'API key': CANARY, Tenant: 'köln & co' }
    expect((await page.submit({ fields: values })).title).toBe('Acme Mail is connected')
    const expected = { type: 'fields', kind: 'api_key', values: { site: 'acme', key: CANARY, tenant: 'köln & co' } }
    expect(given).toMatchObject([expected])
    expect((await accounts.readCredential(accountId))?.credential).toMatchObject(expected)
  })

  it.each([
    ['one is missing', { Site: 'acme', 'API key': CANARY, Tenant: '' }],
    ['a header could not carry one', { Site: 'köln', 'API key': CANARY, Tenant: 't' }],
    ['one has another line', { Site: 'acme', 'API key': `${CANARY}\r\nX-Evil: 1`, Tenant: 't' }],
  ])('asks nobody when %s, and shows nothing of it again', async (_case, fields) => {
    const { page, given, accounts } = await startForm(SEVERAL)
    const answer = await page.submit({ fields })
    expect([answer.status, given, accounts.activations]).toEqual([400, [], 0])
    expect(answer.text).toContain('Fill in every field')
    expect(answer.html).not.toContain(CANARY)
  })

  it('keeps nothing when the upstream rejects it', async () => {
    const { page, accounts } = await startForm(SEVERAL, 'rejected')
    const answer = await page.submit({ fields: { Site: 'a', 'API key': CANARY, Tenant: 't' } })
    expect([answer.status, accounts.activations]).toEqual([422, 0])
    expect(answer.html).not.toContain(CANARY)
  })
})

describe('the form for a user name and a password', () => {
  it('takes a password as it is, with spaces and letters of any kind', async () => {
    const { page, given } = await startForm({ type: 'basic' })
    expect(page.fields).toEqual(['User name', 'Password'])
    await page.submit({ fields: { 'User name': ' anna ', Password: ' pä ss:w ' } })
    expect(given).toMatchObject([{ kind: 'basic', values: { username: 'anna', password: ' pä ss:w ' } }])
  })

  it('takes no user name with a colon, which would end it', async () => {
    const { page, given } = await startForm({ type: 'basic' })
    expect((await page.submit({ fields: { 'User name': 'a:b', Password: 'p' } })).status).toBe(400)
    expect(given).toEqual([])
  })
})

const typed = (kind: ConnectionAuth['type'], values: Record<string, string>, url: string): Credential => ({
  type: 'fields',
  kind,
  values,
  origin: new URL(url).origin,
})

describe('createVerifyCredential', () => {
  it.each<readonly [string, ConnectionAuth, Record<string, string>, Record<string, string>, string]>([
    ['a token', { type: 'bearer' }, { token: 'tk-1' }, { authorization: 'Bearer tk-1' }, '/mcp?v=1'],
    [
      'a user name and a password',
      { type: 'basic' },
      { username: 'anna', password: 'pä:ss' },
      { authorization: `Basic ${Buffer.from('anna:pä:ss').toString('base64')}` },
      '/mcp?v=1',
    ],
    [
      'fields in headers and in the query',
      SEVERAL,
      { site: 'acme', key: 'k-1', tenant: 'köln & co' },
      { 'x-site': 'acme', authorization: 'Token k-1' },
      '/mcp?v=1&tenant=k%C3%B6ln+%26+co',
    ],
  ])('sends %s where the connection says, to the upstream only', async (_case, auth, values, headers, path) => {
    const upstream = await startUpstream()
    const { fetch, clock } = createParts()
    const verify = createVerifyCredential({
      fetch,
      clock,
      clientInfo: { name: 'test', version: '0' },
      startTrial: noProgram,
    })
    const connection = connectionTo(upstream.url, auth)
    expect(await verify(connection, typed(auth.type, values, upstream.url))).toBe('accepted')
    expect(new Set(upstream.seen.map((one) => one.path))).toEqual(new Set([path]))
    for (const { headers: sent } of upstream.seen) {
      for (const [name, value] of Object.entries(headers)) expect(sent.get(name)).toBe(value)
    }
  })

  it('sends a key in the query, and names it in no error', async () => {
    const auth: ConnectionAuth = { type: 'api_key', query: 'key' }
    const upstream = await startUpstream()
    const { fetch, clock } = createParts()
    const verify = createVerifyCredential({
      fetch,
      clock,
      clientInfo: { name: 'test', version: '0' },
      startTrial: noProgram,
    })
    const key: Credential = { type: 'api_key', key: CANARY, origin: new URL(upstream.url).origin }
    expect(await verify(connectionTo(upstream.url, auth), key)).toBe('accepted')
    expect(upstream.seen[0]?.path).toBe(`/mcp?v=1&key=${CANARY}`)
    const failure = await fetch
      .send('http://127.0.0.1:9/mcp', { query: { key: CANARY } })
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    const told = JSON.stringify([String(failure), failure instanceof Error ? String(failure.cause) : ''])
    expect(told).not.toContain(CANARY)
  })
})

describe('presentCredential', () => {
  it.each<readonly [string, ConnectionAuth, Credential]>([
    ['kind', { type: 'bearer' }, { type: 'api_key', key: CANARY, origin: 'https://mail.example' }],
    [
      'set of fields',
      SEVERAL,
      { type: 'fields', kind: 'api_key', values: { site: 'a', key: CANARY }, origin: 'https://mail.example' },
    ],
    ['kind of form', { type: 'basic' }, { type: 'fields', kind: 'bearer', values: { token: CANARY }, origin: 'x' }],
  ])('gives nothing of a credential that was made for another %s', (_case, auth, credential) => {
    const present = () => presentCredential(connectionTo('https://mail.example/mcp', auth), credential)
    expect(present).toThrow('is of another kind')
    expect(present).not.toThrow(CANARY)
  })
})
