import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import {
  jsonResponse,
  startLegacyUpstream,
  startModernUpstream,
  type Seen,
  type TestUpstream,
} from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

async function call(world: World, user: string, name = 'echo', args: object = { text: 'x' }): Promise<string> {
  const { body, headers } = modernRequest('tools/call', { name, arguments: args })
  return await (await world.post(world.url(user), body, headers)).text()
}

/** The session of the last call, and the credential with which it was sent. */
function lastCall({ seen }: TestUpstream) {
  return sessionOf(seen.findLast(({ body }) => body.includes('"tools/call"')))
}

function ended({ seen }: TestUpstream) {
  return seen.filter(({ method }) => method === 'DELETE').map(sessionOf)
}

function sessionOf(request: Seen | undefined) {
  return { session: request?.headers['mcp-session-id'], authorization: request?.headers['authorization'] }
}

describe('createMcpEndpoint, sessions at 2025 upstreams', () => {
  it.each(['DISCONNECTED', 'EXPIRED', 'ACTIVE'] as const)(
    'ends the session with the credential that it was made with when the account becomes %s',
    async (status) => {
      await using upstream = await startLegacyUpstream()
      await using world = await createWorld({ connections: { mail: upstream.url } })
      await call(world, 'bob')
      await call(world, 'ada')
      const session = lastCall(upstream)
      expect(session.authorization).toBe(`Bearer upstream-${world.account('ada', 'mail').id}-1`)
      world.setStatus('ada', 'mail', status)
      await expect.poll(() => ended(upstream)).toEqual([session])
    },
  )

  it('ends the session of before when the credential was renewed', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    const session = lastCall(upstream)
    let refusals = 0
    upstream.intercept = () => (refusals++ === 0 ? new Response(null, { status: 401 }) : undefined)
    expect(await call(world, 'ada')).toContain('"echoed":"x"')
    expect(lastCall(upstream).session).not.toBe(session.session)
    await expect.poll(() => ended(upstream)).toEqual([session])
  })

  it.each([403, 408, 413, 429])('keeps the session when a call is refused with status %i', async (status) => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    const session = lastCall(upstream)
    let refusals = 0
    upstream.intercept = () => (refusals++ === 0 ? new Response(null, { status }) : undefined)
    await call(world, 'ada')
    expect(await call(world, 'ada')).toContain('"echoed":"x"')
    expect(refusals).toBeGreaterThan(1)
    expect(lastCall(upstream)).toEqual(session)
    expect(ended(upstream)).toEqual([])
  })

  it('does not end a session while a call goes on in it', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const answer = call(world, 'ada', 'wait', {})
    await expect.poll(() => upstream.executed).toEqual(['wait'])
    const session = lastCall(upstream)
    world.setStatus('ada', 'mail', 'ACTIVE')
    // A call of after that is in a session of its own.
    await call(world, 'ada')
    expect(lastCall(upstream).session).not.toBe(session.session)
    expect(ended(upstream)).toEqual([])
    upstream.release()
    expect(await answer).toContain('released')
    await expect.poll(() => ended(upstream)).toEqual([session])
  })

  it('ends a session in which nothing has gone on for half an hour, and makes a new one for the next call', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    const session = lastCall(upstream)
    world.clock.now += 29 * 60_000
    await call(world, 'bob')
    expect(ended(upstream)).toEqual([])
    world.clock.now += 2 * 60_000
    await call(world, 'bob')
    await expect.poll(() => ended(upstream)).toEqual([session])
    expect(await call(world, 'ada')).toContain('"echoed":"x"')
    expect(upstream.seen.filter(({ body }) => body.includes('"initialize"'))).toHaveLength(3)
  })

  it('keeps a session for as long as it is used, however old it is', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    const session = lastCall(upstream)
    for (let time = 0; time < 6; time += 1) {
      world.clock.now += 25 * 60_000
      expect(await call(world, 'ada')).toContain('"echoed":"x"')
      expect(lastCall(upstream)).toEqual(session)
    }
    expect(ended(upstream)).toEqual([])
  })

  it.each([
    ['status 400', 400],
    ['status 200 and an error', 200],
  ])('gives a session up in which nothing has worked for an hour, as it is answered with %s', async (_how, status) => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    const { session } = lastCall(upstream)
    // As many servers answer that have lost a session.
    const error = { code: -32_000, message: 'Bad Request: No valid session ID provided' }
    upstream.intercept = ({ headers }) =>
      headers.get('mcp-session-id') === session ? jsonResponse({ jsonrpc: '2.0', error, id: null }, status) : undefined
    for (let time = 0; time < 2; time += 1) {
      world.clock.now += 25 * 60_000
      expect(await call(world, 'ada')).toContain(error.message)
    }
    world.clock.now += 25 * 60_000
    expect(await call(world, 'ada')).toContain('"echoed":"x"')
  })

  it('leaves the session of before also where somebody listens in it', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const mine = await sessionFor(world, { form: {} })
    const headers = { accept: 'text/event-stream', 'mcp-session-id': mine, 'mcp-protocol-version': '2025-11-25' }
    const listening = new AbortController()
    await fetch(world.url('ada'), { headers, signal: listening.signal })
    const heardIn = () => upstream.seen.filter(({ method }) => method === 'GET').map(sessionOf)
    await expect.poll(heardIn).toHaveLength(1)
    world.setStatus('ada', 'mail', 'ACTIVE')
    await expect.poll(() => ended(upstream)).toEqual(heardIn().slice(0, 1))
    expect(heardIn()[1]?.authorization).toBe(`Bearer upstream-${world.account('ada', 'mail').id}-2`)
    listening.abort()
  })

  it('makes a session anew for the clients whose it is when a list was asked for in it', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const session = { 'mcp-session-id': await sessionFor(world, { form: {} }) }
    const ask = async (method: string, params = {}) => {
      const { body, headers } = legacyRequest(method, params)
      return await (await world.post(world.url('ada'), body, { ...headers, ...session })).text()
    }
    await ask('prompts/get', { name: 'none' })
    upstream.forgetSessions()
    await ask('resources/list')
    await ask('prompts/get', { name: 'none' })
    const opened = upstream.seen.filter(({ body }) => body.includes('"initialize"'))
    expect(opened.map(({ body }) => JSON.parse(body).params.capabilities)).toEqual([ASKED, ASKED])
  })

  it('ends each session when it closes, whatever the upstream says to that, and none that was lost', async () => {
    await using upstream = await startLegacyUpstream()
    const world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    upstream.forgetSessions()
    await call(world, 'ada')
    const sessions = [lastCall(upstream)]
    await call(world, 'bob')
    sessions.push(lastCall(upstream))
    upstream.intercept = ({ method }) => (method === 'DELETE' ? new Response(null, { status: 405 }) : undefined)
    await world[Symbol.asyncDispose]()
    expect(ended(upstream)).toEqual(sessions)
  })

  it('closes also when an upstream does not answer', async () => {
    await using upstream = await startLegacyUpstream()
    const world = await createWorld({ connections: { mail: upstream.url } })
    await call(world, 'ada')
    upstream.intercept = ({ method }) => (method === 'DELETE' ? new Promise(() => undefined) : undefined)
    await expect(world[Symbol.asyncDispose]()).resolves.toBeUndefined()
    expect(ended(upstream)).toHaveLength(1)
  })
})

const ASKED = { elicitation: { form: {} } }

/** A client of the 2025 era that can be asked this. */
async function sessionFor(world: World, elicitation: object): Promise<string> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: { elicitation },
    clientInfo: { name: 'c', version: '1' },
  }
  const { body, headers } = legacyRequest('initialize', params)
  return (await world.post(world.url('ada'), body, headers)).headers.get('mcp-session-id') ?? ''
}

describe.each([
  ['2025-11-25', startLegacyUpstream],
  ['2026-07-28', startModernUpstream],
])('createMcpEndpoint, clients of several kinds before an upstream of %s', (_revision, start) => {
  it('do not wait for each other when all of them have to begin anew', async () => {
    await using upstream = await start()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const kinds = await Promise.all(
      [{ form: {} }, { url: {} }, { form: {}, url: {} }].map((kind) => sessionFor(world, kind)),
    )
    for (let round = 0; round < 5; round += 1) {
      let refusals = 0
      upstream.intercept = () => (refusals++ < kinds.length ? new Response(null, { status: 401 }) : undefined)
      const answers = await Promise.all(
        kinds.map(async (session) => {
          const { body, headers } = legacyRequest('tools/call', { name: 'echo', arguments: { text: 'x' } })
          return await (await world.post(world.url('ada'), body, { ...headers, 'mcp-session-id': session })).text()
        }),
      )
      for (const answer of answers) expect(answer).toContain('"echoed":"x"')
      // What is known of an upstream is known for an hour.
      world.clock.now += 61 * 60_000
    }
  })
})
