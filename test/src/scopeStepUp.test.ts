import { createLatchkey, type Latchkey } from '@latchkey/core'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  consentAs,
  createHttpBrowser,
  type RunningGateway,
  startAuthorizationServer,
  startGateway,
} from './fixtures/index.ts'
import { startScopedUpstream, type ScopedUpstream } from './fixtures/upstreams/startScopedUpstream.ts'

const INFO = { name: 'test-client', version: '1.0.0' }

// oxlint-disable-next-line no-explicit-any -- whatever the endpoint answers is compared, member by member
type Answered = Record<string, any>

const linkIn = (result: Answered): string => result['inputRequests']?.['latchkey.authorize.notes']?.params?.url ?? ''

describe('a call that needs more scope than was granted', () => {
  let authorizationServer: AuthorizationServer
  let notes: ScopedUpstream
  let gateway: RunningGateway
  let latchkey: Latchkey
  let user = ''
  let users = 0
  beforeAll(async () => {
    authorizationServer = await startAuthorizationServer()
    notes = await startScopedUpstream(authorizationServer)
    gateway = await startGateway({
      connections: { notes: { displayName: 'Acme Notes', mcpServerUrl: notes.url, auth: { type: 'oauth2' } } },
      configs: { writer: { notes: '*' } },
    })
    const { url, clientId, clientSecret } = gateway
    latchkey = createLatchkey({ url, clientId, clientSecret, config: 'writer' })
  })
  afterAll(async () => {
    await latchkey[Symbol.asyncDispose]()
    await gateway.close()
    await notes[Symbol.asyncDispose]()
    await authorizationServer.close()
  })

  beforeEach(async () => {
    users += 1
    user = `user_${users}`
    notes.needs['write_note'] = ['notes.write']
    notes.executed.length = 0
    const { id } = await latchkey.ensureInstance(user)
    const [state] = await latchkey.getAuthState(id, { includeAuthLinks: true })
    await consentAs(user, state?.authenticationLink ?? '')
  })

  const urlOf = async () => new URL((await latchkey.ensureInstance(user)).url ?? '')

  async function status(): Promise<string | undefined> {
    const { id } = await latchkey.ensureInstance(user)
    return (await latchkey.getAuthState(id))[0]?.status
  }

  async function connectModern(capabilities = { elicitation: { url: {} } } as object) {
    const client = new Client(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities })
    await client.connect(new StreamableHTTPClientTransport(await urlOf()))
    const call = async (name: string): Promise<Answered> =>
      await client.callTool({ name, arguments: {} }, { allowInputRequired: true })
    return { call, [Symbol.asyncDispose]: () => client.close() }
  }

  /** Follows a link to the end; gives the scopes that the provider was asked for, sorted. */
  async function consentTo(link: string, decision: 'allow' | 'deny' = 'allow'): Promise<string[]> {
    const browser = createHttpBrowser()
    await consentAs(user, link, { browser, decision })
    const asked = browser.visits.map(({ url }) => new URL(url)).find(({ searchParams }) => searchParams.has('scope'))
    return (asked?.searchParams.get('scope') ?? '').split(' ').toSorted()
  }

  it('T33: asks for what was granted and what the challenge names, and no more; then the same call goes through', async () => {
    await using client = await connectModern()
    expect(await client.call('read_notes')).toMatchObject({ content: [{ text: 'done' }] })
    const asked = await client.call('write_note')
    expect(asked).toMatchObject({ resultType: 'input_required' })
    expect(JSON.stringify(asked)).toContain('for more access')
    expect(await status()).toBe('ACTIVE')
    expect(await client.call('read_notes')).toMatchObject({ content: [{ text: 'done' }] })

    expect(await consentTo(linkIn(asked))).toEqual(['notes.read', 'notes.write', 'offline_access'])
    expect(await client.call('write_note')).toMatchObject({ content: [{ text: 'done' }] })
    expect(await client.call('read_notes')).toMatchObject({ content: [{ text: 'done' }] })
    expect(notes.executed.at(-1)?.scopes.toSorted()).toEqual(['notes.read', 'notes.write'])
    expect(notes.executed.filter(({ tool }) => tool === 'write_note')).toHaveLength(1)
  })

  it('T33: keeps what was granted over several steps', async () => {
    await using client = await connectModern()
    await consentTo(linkIn(await client.call('write_note')))
    notes.needs['write_note'] = ['notes.write', 'notes.share']
    const asked = await consentTo(linkIn(await client.call('write_note')))
    expect(asked).toEqual(['notes.read', 'notes.share', 'notes.write', 'offline_access'])
    expect(await client.call('write_note')).toMatchObject({ content: [{ text: 'done' }] })
  })

  it('uses a link once, and shows it as connected afterwards', async () => {
    await using client = await connectModern()
    const link = linkIn(await client.call('write_note'))
    const page = await createHttpBrowser().open(link)
    expect(page.text).toContain('for more than you have allowed so far')
    await consentTo(link)
    expect((await createHttpBrowser().open(link)).title).toBe('Acme Notes is connected')
  })

  it('leaves everything as it was when the person declines', async () => {
    await using client = await connectModern()
    await consentTo(linkIn(await client.call('write_note')), 'deny')
    expect(await status()).toBe('ACTIVE')
    expect(await client.call('read_notes')).toMatchObject({ content: [{ text: 'done' }] })
    expect(await client.call('write_note')).toMatchObject({ resultType: 'input_required' })
  })

  it('lets the app make the link, for a client that can open none', async () => {
    await using client = await connectModern({})
    const result = await client.call('write_note')
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('for more access') }] })
    const link = await latchkey.createMagicLink(user, 'notes')
    await consentTo(link.url)
    expect(await client.call('write_note')).toMatchObject({ content: [{ text: 'done' }] })
  })

  it('gives a client of 2025-11-25 the link in the error of its era', async () => {
    const client = new LegacyClient(INFO, { capabilities: { elicitation: { url: {} } } })
    await client.connect(new LegacyTransport(await urlOf()))
    const error = await client.callTool({ name: 'write_note' }).catch((refused: Answered) => refused)
    expect(error).toMatchObject({ code: -32_042 })
    await consentTo(error['data'].elicitations[0].url)
    expect(await client.callTool({ name: 'write_note' })).toMatchObject({ content: [{ text: 'done' }] })
    await client.close()
  })

  it('T33: says that it is in vain when the upstream wants what it was granted already', async () => {
    await using client = await connectModern()
    await consentTo(linkIn(await client.call('write_note')))
    notes.needs['read_notes'] = ['notes.read', 'notes.nobody']
    const asked = await client.call('read_notes')
    // A scope that the provider does not know is never granted: after three consents nobody is sent again.
    for (let count = 0; count < 3; count += 1)
      await consentTo(linkIn(count === 0 ? asked : await client.call('read_notes')))
    await expect(client.call('read_notes')).rejects.toThrow('access that its user has granted')
    notes.needs['read_notes'] = ['notes.read']
    expect(await client.call('read_notes')).toMatchObject({ content: [{ text: 'done' }] })
  })
})
