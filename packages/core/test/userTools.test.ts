import { once } from 'node:events'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { UserTool, UserTools } from '../src/index.ts'
import { failureOf, setup, type Setup } from './fixtures/setup.ts'
import type { ScriptedOptions } from './fixtures/scriptedControlPlane.ts'

const MCP = /\/mcp\/cfg_1$/
const ENSURE = /^POST \/api\/v1\/mcp\/instances$/

async function connected(scripted: ScriptedOptions = {}, users = ['u1'], options = {}): Promise<Setup> {
  const given = await setup(scripted, options)
  for (const user of users) given.plane.setStatus(user, 'mail', 'ACTIVE')
  return given
}

function tool({ tools }: UserTools, mcpName: string): UserTool {
  const found = tools.find((candidate) => candidate.mcpName === mcpName)
  if (!found) throw new Error(`no tool ${mcpName}`)
  return found
}

/** An answer as a stream of these server-sent events, cut off after the last. */
function stream(...events: string[]): Response {
  return new Response(events.join(''), { headers: { 'content-type': 'text/event-stream' } })
}

/** Says that the call succeeded, in a way that no client understands. */
async function noResult(request: Request): Promise<Response> {
  const { id } = JSON.parse(await request.text())
  return Response.json({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: 'sent' } })
}

describe('userTools', () => {
  it('makes two requests and one for the token when cold, and none when warm', async () => {
    const { plane, latchkey } = await connected()
    const cold = await latchkey.userTools('u1')
    expect(plane.requests.map(({ path }) => path)).toEqual(['/oauth/token', '/api/v1/mcp/instances', '/mcp/cfg_1'])
    expect(await latchkey.userTools('u1')).toBe(cold)
    expect(plane.requests).toHaveLength(3)
  })

  it('makes the same three requests for many callers at once', async () => {
    const { plane, latchkey } = await connected()
    await Promise.all(Array.from({ length: 50 }, () => latchkey.userTools('u1')))
    expect(plane.requests).toHaveLength(3)
  })

  it('asks again when the list is no longer fresh', async () => {
    const { plane, timing, latchkey } = await connected({ listTtlMs: 60_000 })
    await latchkey.userTools('u1')
    timing.advance(59_999)
    await latchkey.userTools('u1')
    expect(plane.count(MCP)).toBe(1)
    timing.advance(1)
    await latchkey.userTools('u1')
    expect(plane.count(MCP)).toBe(2)
  })

  it('keeps a list for five minutes at most', async () => {
    const { plane, timing, latchkey } = await connected({ listTtlMs: 86_400_000 }, ['u1'], { idleMs: 3_600_000 })
    await latchkey.userTools('u1')
    timing.advance(300_000)
    await latchkey.userTools('u1')
    expect(plane.count(MCP)).toBe(2)
  })

  it('works with an endpoint of the 2025 era, without holding a socket for its stream', async () => {
    const { plane, latchkey } = await connected({ era: 'legacy' })
    const tools = await latchkey.userTools('u1')
    const result = await tool(tools, 'whoami').call({})
    expect(result.content).toEqual([{ type: 'text', text: 'u1' }])
    expect(plane.count(/^GET/)).toBe(0)
  })

  it('ends the session of a 2025 endpoint when it is closed', async () => {
    const { plane, latchkey } = await connected({ era: 'legacy' })
    await latchkey.userTools('u1')
    await latchkey.close()
    expect(plane.count(/^DELETE/)).toBe(1)
    await plane.socketsClosed()
  })

  it('begins a new session, and executes the call once, when a 2025 endpoint has forgotten the old one', async () => {
    const { plane, latchkey } = await connected({ era: 'legacy' })
    const tools = await latchkey.userTools('u1')
    plane.forgetMcpSessions()
    await Promise.all([tool(tools, 'whoami').call({}), tool(tools, 'whoami').call({})])
    expect(plane.toolCalls).toEqual(['u1 whoami', 'u1 whoami'])
  })

  it('closes a session that is idle, and opens it again when it is needed', async () => {
    const { plane, timing, latchkey } = await connected({ era: 'legacy' })
    const tools = await latchkey.userTools('u1')
    timing.advance(300_000)
    await plane.seen(/^DELETE/)
    await tool(tools, 'whoami').call({})
    expect(plane.toolCalls).toEqual(['u1 whoami'])
  })

  it('does not close a session under a call that takes longer than the idle time', async () => {
    const { plane, timing, latchkey } = await connected({ era: 'legacy' }, ['u1', 'u2'])
    const tools = await latchkey.userTools('u1')
    const begun = once(plane.events, 'call slow')
    const call = tool(tools, 'slow').call({}, { timeoutMs: 900_000 })
    await begun
    timing.advance(600_000)
    // Time for a request that should not come.
    await latchkey.userTools('u2')
    expect(plane.count(/^DELETE/)).toBe(0)
    plane.events.emit('release')
    await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
  })

  it('gives safe names, and calls by the names of the endpoint', async () => {
    const { plane, latchkey } = await connected({ toolNames: ['mail.search', 'whoami'] })
    const { tools, report } = await latchkey.userTools('u1')
    const renamed = tools[0]
    expect(renamed?.name).toMatch(/^mail_search_[0-9a-f]{8}$/)
    expect(report.renamed).toEqual([{ mcpName: 'mail.search', name: renamed?.name }])
    await renamed?.call({})
    expect(plane.toolCalls).toEqual(['u1 mail.search'])
  })

  it('never gives one user the session, the list or the result of another', async () => {
    const users = ['a', 'b', '["a","b"]', '__proto__', 'a:b', 'A']
    const { latchkey } = await connected({ listTtlMs: 0 }, users)
    const step = fc.record({ user: fc.constantFrom(...users), call: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        await Promise.all(
          steps.map(async ({ user, call }) => {
            const tools = await latchkey.userTools(user)
            for (const { mcpName, description } of tools.tools) expect(description).toBe(`${mcpName} of ${user}`)
            if (!call) return
            const result = await tool(tools, 'whoami').call({})
            expect(result.content).toEqual([{ type: 'text', text: user }])
          }),
        )
      }),
      { numRuns: 25 },
    )
  })
})

describe('UserTool.call', () => {
  it('renews a refused session token once for all, and executes each call once', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.revokeSessionTokens()
    await Promise.all(Array.from({ length: 10 }, () => tool(tools, 'whoami').call({})))
    expect(plane.count(/tokens$/)).toBe(1)
    expect(plane.toolCalls).toHaveLength(10)
  })

  it('renews the session token before it ends', async () => {
    const { plane, timing, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    timing.advance(3_600_000 - 60_000)
    await tool(tools, 'whoami').call({})
    expect(plane.count(/tokens$/)).toBe(1)
    expect(plane.count(MCP)).toBe(2)
  })

  it('uses a session token that came with a later answer about the user', async () => {
    const { plane, timing, latchkey } = await connected({ listTtlMs: 0 })
    plane.sessionTokensEndAt = '2026-01-01T00:10:00Z'
    const tools = await latchkey.userTools('u1')
    plane.sessionTokensEndAt = '2026-01-01T01:00:00Z'
    await latchkey.userTools('u1')
    timing.advance(600_000)
    await tool(tools, 'whoami').call({})
    expect(plane.count(/tokens$/)).toBe(0)
  })

  it('gives fresh links when the endpoint keeps refusing because a connection must be authorized', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.setStatus('u1', 'mail', 'EXPIRED')
    plane.revokeSessionTokens()
    const error = await failureOf(tool(tools, 'whoami').call({}))
    expect(error.code).toBe('authorization_required')
    expect(error.connections.map((state) => [state.connectionName, state.status])).toEqual([['mail', 'EXPIRED']])
    expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    expect(plane.count(/get_auth_state$/)).toBe(1)
    expect(plane.toolCalls).toEqual([])
  })

  it('says unauthorized when the endpoint keeps refusing though everything is ACTIVE', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.inject(MCP, () => new Response(null, { status: 401 }))
    expect((await failureOf(tool(tools, 'whoami').call({}))).code).toBe('unauthorized')
    expect(plane.count(MCP)).toBe(3)
  })

  it.each<[string, string, (given: Setup) => unknown]>([
    ['its time is over', 'timeout', ({ timing }) => timing.advance(1_000)],
    ['the Latchkey is closed', 'aborted', ({ latchkey }) => latchkey.close()],
  ])('ends, as one that was not carried out, when %s while links are made for it', async (_what, code, end) => {
    const given = await connected()
    const { plane, timing, latchkey } = given
    const tools = await latchkey.userTools('u1')
    plane.inject(MCP, () => new Response(null, { status: 401 }))
    plane.inject(/get_auth_state$/, () => new Promise<never>(() => {}))
    const failure = failureOf(tool(tools, 'whoami').call({}, { timeoutMs: 1_000 }))
    await plane.seen(/get_auth_state$/)
    await end(given)
    const error = await failure
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('carried out')
    expect(timing.pending).toBe(0)
  })

  it('gives the link of an input_required result, with the name of the connection', async () => {
    const { latchkey, plane } = await connected()
    const tools = await latchkey.userTools('u1')
    const error = await failureOf(tool(tools, 'consent').call({}))
    expect(error.code).toBe('authorization_required')
    expect(error.connections[0]).toMatchObject({ connectionName: 'mail', status: 'PENDING_AUTH' })
    expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    expect(plane.count(MCP)).toBe(2)
  })

  it('gives the link of a -32042 error of the 2025 era', async () => {
    const { latchkey } = await connected({ era: 'legacy' })
    const tools = await latchkey.userTools('u1')
    const error = await failureOf(tool(tools, 'consent').call({}))
    expect(error.code).toBe('authorization_required')
    expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
  })

  it('asks for the list again after a connection had to be authorized', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    await failureOf(tool(tools, 'consent').call({}))
    await latchkey.userTools('u1')
    expect(plane.count(ENSURE)).toBe(2)
  })

  it('says unknown_tool, and asks for the list again, when the endpoint no longer has the tool', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.inject(
      MCP,
      async (request) => {
        const { id } = JSON.parse(await request.text())
        return Response.json({ jsonrpc: '2.0', id, error: { code: -32_602, message: 'Unknown tool: whoami' } })
      },
      1,
    )
    expect((await failureOf(tool(tools, 'whoami').call({}))).code).toBe('unknown_tool')
    await latchkey.userTools('u1')
    expect(plane.count(MCP)).toBe(3)
  })

  it('cancels at the endpoint when it is aborted', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    const controller = new AbortController()
    const call = tool(tools, 'hang').call({}, { signal: controller.signal })
    call.catch(() => {})
    await once(plane.events, 'call hang')
    const cancelled = once(plane.events, 'cancelled')
    controller.abort()
    expect((await failureOf(call)).code).toBe('aborted')
    await cancelled
  })

  it('says timeout when the tool takes too long', async () => {
    const { latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    const error = await failureOf(tool(tools, 'hang').call({}, { timeoutMs: 1_000 }))
    expect(error.code).toBe('timeout')
    expect(error.message).toMatch(/took too long.*; it may have been carried out; check before you call again$/)
  })

  it.each([
    ['ends', () => stream(': hello\n\n')],
    ['ends in the middle of an event', () => stream('event: message\ndata: {"jsonrpc":"2.0","id":1,"res')],
    ['has another answer', () => stream('data: {"jsonrpc":"2.0","id":"other","result":{}}\n\n')],
  ])('fails at once, and is not sent again, when the stream %s before its result', async (_how, answer) => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.inject(MCP, answer)
    const error = await failureOf(tool(tools, 'whoami').call({}))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain('it may have been carried out; check before you call again')
    expect(plane.count(MCP)).toBe(2)
  })

  it('does not say that the call may have been carried out when the endpoint could not be reached', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    await plane.close()
    const error = await failureOf(tool(tools, 'whoami').call({}))
    expect(error.code).toBe('unavailable')
    expect(error.message).not.toContain('carried out')
  })

  it('says that it was not carried out when the endpoint answers that it is one too many', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.inject(MCP, () => new Response('slow down', { status: 429, headers: { 'retry-after': '7' } }))
    const error = await failureOf(tool(tools, 'whoami').call({}))
    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('429') })
    expect(error.message).not.toContain('may have been carried out')
    expect(plane.count(MCP)).toBe(2)
  })

  it.each<[string, (request: Request) => Response | Promise<Response>, string, boolean]>([
    ['500', () => new Response('boom', { status: 500 }), 'unavailable', true],
    ['503', () => new Response('boom', { status: 503, headers: { 'retry-after': '0' } }), 'unavailable', true],
    ['404', () => new Response('gone', { status: 404 }), 'rejected', false],
    ['HTML', () => new Response('<html>', { headers: { 'content-type': 'text/html' } }), 'invalid_response', true],
    ['a result that is none', noResult, 'invalid_response', true],
    ['JSON that is no JSON-RPC', () => Response.json({ 'evil.test': 1 }), 'invalid_response', true],
    [
      'a redirect',
      () => new Response(null, { status: 307, headers: { location: 'https://evil.test/x' } }),
      'invalid_response',
      false,
    ],
  ])(
    'is not sent again when the endpoint answers %s, and says if it may be done',
    async (_what, answer, code, maybe) => {
      const { plane, latchkey } = await connected()
      const tools = await latchkey.userTools('u1')
      plane.inject(MCP, answer)
      const error = await failureOf(tool(tools, 'whoami').call({}))
      expect(error.code).toBe(code)
      expect(error.message.includes('may have been carried out')).toBe(maybe)
      expect(error.message).not.toContain('evil.test')
      expect(plane.count(MCP)).toBe(2)
    },
  )

  it('does not say that the call may have been carried out when the token for it was not believed', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.revokeSessionTokens()
    const payload = Buffer.from(JSON.stringify({ sub: 'u2' })).toString('base64url')
    plane.inject(/tokens$/, () => Response.json({ token: `h.${payload}.s`, expires_at: plane.sessionTokensEndAt }))
    const error = await failureOf(tool(tools, 'whoami').call({}))
    expect(error.code).toBe('invalid_response')
    expect(error.message).not.toContain('carried out')
    expect(plane.toolCalls).toEqual([])
  })

  it('is not sent again when the connection breaks', async () => {
    const { plane, latchkey } = await connected()
    const tools = await latchkey.userTools('u1')
    plane.inject(MCP, () => {
      plane.breakStreams()
      return new Promise<Response>(() => {})
    })
    expect((await failureOf(tool(tools, 'whoami').call({}))).code).toBe('unavailable')
    expect(plane.count(MCP)).toBe(2)
  })
})
