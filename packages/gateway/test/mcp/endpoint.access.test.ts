import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { jsonResponse, startScriptedUpstream, type TestUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const TOOLS = JSON.stringify(['search', 'read', 'delete'].map((name) => ({ name, inputSchema: { type: 'object' } })))

async function snapshot(response: Response): Promise<{ status: number; headers: unknown; body: string }> {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'date'))
  return { status: response.status, headers, body: await response.text() }
}

async function toolNames(response: Response): Promise<string[]> {
  const { result } = await response.json()
  return result.tools.map(({ name }: { name: string }) => name)
}

describe('createMcpEndpoint', () => {
  let upstream: TestUpstream
  let world: World

  beforeAll(async () => {
    upstream = await startScriptedUpstream(TOOLS, (body) => {
      const { id, params } = JSON.parse(body)
      return jsonResponse({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [], called: params.name } })
    })
    world = await createWorld({ connections: { mail: upstream.url }, allow: { mail: ['search', 'read'] } })
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const list = (url: string, headers: Record<string, string> = {}) => {
    const request = modernRequest('tools/list')
    return world.post(url, request.body, { ...request.headers, ...headers })
  }
  const call = (url: string, name: string, headers: Record<string, string> = {}) => {
    const request = modernRequest('tools/call', { name, arguments: {} })
    return world.post(url, request.body.replace(/"id":\d+/, '"id":1'), { ...request.headers, ...headers })
  }

  it('T4: gives the same bytes for every URL that does not work', async () => {
    const good = world.url('ada')
    const rotated = world.url('rotated')
    world.rotateUrl('rotated')
    await using other = await createWorld({ connections: { mail: upstream.url } })
    const revoked = world.url('revoked')
    expect((await list(revoked)).status).toBe(200)
    world.revoke('revoked')
    const foreign = other.url('stranger').replace(other.origin, world.origin)
    other.deleteConfig()
    const urls = {
      'no prefix': `${world.origin}/mcp/nonsense`,
      'made up': `${world.origin}/mcp/lkurl_${'A'.repeat(90)}`,
      'changed by one character': `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`,
      rotated,
      'of a user who was revoked': revoked,
      'of an instance that is not there': foreign,
    }
    const answers = await Promise.all(Object.values(urls).map(async (url) => snapshot(await list(url))))
    expect(answers[0]).toMatchObject({ status: 404 })
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(await snapshot(await other.post(other.url('ada'), modernRequest('tools/list').body))).toEqual(answers[0])
    expect((await list(good)).status).toBe(200)
  })

  it('T4: gives the same bytes for every token that does not work, whether the config exists or not', async () => {
    const token = await world.token('ada')
    const expired = await world.token('ada')
    const revoked = await world.token('revoked')
    expect((await list(world.staticUrl(), { authorization: `Bearer ${revoked}` })).status).toBe(200)
    world.revoke('revoked')
    const attempts: [string, string | undefined][] = [
      [world.staticUrl(), undefined],
      [world.staticUrl(), `Bearer ${revoked}`],
      [world.staticUrl(), 'Basic abc'],
      [world.staticUrl(), 'Bearer nonsense'],
      [world.staticUrl(), `Bearer ${token.slice(0, -2)}`],
      [world.staticUrl(), `Bearer ${await world.token('ada', { configId: 'cfg_other' })}`],
      [world.staticUrl('cfg_nowhere'), undefined],
      [world.staticUrl('cfg_nowhere'), `Bearer ${token}`],
    ]
    const answers = await Promise.all(
      attempts.map(async ([url, authorization]) => snapshot(await list(url, authorization ? { authorization } : {}))),
    )
    expect(answers[0]).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
    for (const answer of answers) expect(answer).toEqual(answers[0])
    // Used before, so that what is remembered of a good signature cannot outlive the token.
    world.clock.now += 3_590_000
    expect((await list(world.staticUrl(), { authorization: `Bearer ${expired}` })).status).toBe(200)
    world.clock.now += 11_000
    expect(await snapshot(await list(world.staticUrl(), { authorization: `Bearer ${expired}` }))).toEqual(answers[0])
  })

  it('T6: says nothing of the URL and redirects nowhere, whatever the method', async () => {
    const secret = world.url('ada')
    // A GET opens a stream where there is a session, so it is told first whether there is an endpoint at all.
    const statusOf = (method: string, url: string): number => {
      if (method !== 'POST' && method !== 'GET') return 405
      return url === secret ? { POST: 415, GET: 405 }[method] : 404
    }
    for (const url of [secret, `${world.origin}/mcp/lkurl_wrong`]) {
      for (const method of ['GET', 'DELETE', 'PUT', 'POST', 'OPTIONS']) {
        const response = await fetch(url, { method, redirect: 'manual' })
        const text = await response.text()
        expect(response.headers.get('location')).toBeNull()
        expect(text).not.toContain(url.split('/').at(-1))
        expect(response.status).toBe(statusOf(method, url))
      }
    }
  })

  it('lists what the config allows and nothing else', async () => {
    expect(await toolNames(await list(world.url('ada')))).toEqual(['search', 'read'])
    const authorization = `Bearer ${await world.token('ada')}`
    expect(await toolNames(await list(world.staticUrl(), { authorization }))).toEqual(['search', 'read'])
  })

  it('T50: lists and calls only what the token names as well', async () => {
    const authorization = `Bearer ${await world.token('ada', { tools: ['read', 'delete'] })}`
    expect(await toolNames(await list(world.staticUrl(), { authorization }))).toEqual(['read'])
    for (const name of ['search', 'delete']) {
      expect(await (await call(world.staticUrl(), name, { authorization })).json()).toMatchObject({
        error: { code: -32602, message: `Unknown tool: ${name}` },
      })
    }
    const allowed = await call(world.staticUrl(), 'read', { authorization })
    expect(await allowed.json()).toMatchObject({ result: { called: 'read' } })
  })

  it('serves a token no account that it was not made for', async () => {
    const authorization = `Bearer ${await world.token('ada', { accountIds: [] })}`
    expect(await toolNames(await list(world.staticUrl(), { authorization }))).toEqual([])
    expect(await (await call(world.staticUrl(), 'read', { authorization })).json()).toMatchObject({
      error: { code: -32602 },
    })
  })

  it('T50: answers a call of a tool that is not allowed as one of a tool that never was, and tells no upstream', async () => {
    const before = upstream.seen.length
    const refused = ['delete', 'never-was', 'Search', 'search ', 'mail__search', '__proto__', 'constructor', '']
    const answers = await Promise.all(
      refused.map(async (name) => {
        const request = modernRequest('tools/call', { name, arguments: {} })
        const encoded = `=?base64?${Buffer.from(name).toString('base64')}?=`
        const body = request.body.replace(/"id":\d+/, '"id":1')
        const response = await world.post(world.url('ada'), body, { ...request.headers, 'mcp-name': encoded })
        const { status, body: text } = await snapshot(response)
        return { status, body: text.replace(JSON.stringify(`Unknown tool: ${name}`), '"Unknown tool: X"') }
      }),
    )
    for (const answer of answers) expect(answer).toEqual(answers[1])
    expect(upstream.seen).toHaveLength(before)
  })

  it("T69: gives no user another one's account", async () => {
    const before = upstream.seen.length
    await call(world.url('ada'), 'read')
    await call(world.url('grace'), 'read')
    const tokens = upstream.seen.slice(before).filter(({ body }) => body.includes('tools/call'))
    expect(tokens.map(({ headers }) => headers['authorization'])).toEqual(
      ['ada', 'grace'].map((user) => `Bearer upstream-${world.account(user, 'mail').id}-1`),
    )
  })

  it('T9: tells an upstream nothing of what the client authenticated with', async () => {
    const before = upstream.seen.length
    const token = await world.token('ada')
    const headers = {
      authorization: `Bearer ${token}`,
      cookie: 'canary=1',
      'x-api-key': 'canary',
      'mcp-param-region': 'eu',
    }
    await call(world.staticUrl(), 'read', headers)
    await call(world.url('ada'), 'read', { cookie: 'canary=1' })
    const seen = JSON.stringify(upstream.seen.slice(before))
    expect(seen).not.toContain(token)
    expect(seen).not.toContain('canary')
    expect(seen).not.toContain('lkurl_')
    expect(seen).toContain('"mcp-param-region":"eu"')
  })

  it("T9: gives a client nothing of an upstream's credential, though the upstream repeats it", async () => {
    const credential = `upstream-${world.account('ada', 'mail').id}-1`
    upstream.intercept = (request, body) =>
      body.includes('tools/call')
        ? new Response(`<p>${request.headers.get('authorization')}</p>`, {
            status: 403,
            headers: { 'content-type': 'text/html', 'x-echo': request.headers.get('authorization') ?? '' },
          })
        : undefined
    const response = await call(world.url('ada'), 'read')
    upstream.intercept = undefined
    const answer = `${JSON.stringify([...response.headers])}${await response.text()}`
    expect(upstream.seen.at(-1)?.headers['authorization']).toContain(credential)
    expect(answer).not.toContain(credential)
  })

  it('T14: binds the session of a 2025 client to its user', async () => {
    const opened = await world.post(
      world.url('ada'),
      legacyRequest('initialize', { protocolVersion: '2025-11-25', capabilities: {} }).body,
    )
    const session = opened.headers.get('mcp-session-id') ?? ''
    expect(session).toMatch(/^[\x21-\x7e]{32,}$/)
    const use = async (user: string, id: string) => {
      const { body, headers } = legacyRequest('tools/list')
      return (await world.post(world.url(user), body, { ...headers, 'mcp-session-id': id })).status
    }
    expect(await use('ada', session)).toBe(200)
    expect(await use('grace', session)).toBe(404)
    expect(await use('ada', `u${session.slice(1)}`)).toBe(404)
    expect(await use('ada', 'made-up')).toBe(404)
  })

  it('writes no secret into its log line', async () => {
    await call(world.url('ada'), 'read')
    await call(world.staticUrl(), 'read', { authorization: `Bearer ${await world.token('ada')}` })
    const lines = JSON.stringify(world.logLines)
    expect(lines).toContain('cfg_test')
    for (const secret of ['lkurl_', 'upstream-ca', 'eyJ']) expect(lines).not.toContain(secret)
  })
})
