import { describe, expect, it } from 'vitest'
import { createLatchkey, ConnectionState, type Backend, type Requirement } from '../src/index.ts'
import { createScriptedBackend, ManualTiming, type ScriptedBackend } from '../src/testing/index.ts'
import { failureOf, setup, type Setup } from './fixtures/setup.ts'

const AUTH_STATE = /:get_auth_state$/
const ENSURE = /^POST \/api\/v1\/mcp\/instances$/
const TOKENS = /tokens$/
const MCP = /\/mcp\/cfg_1$/

const names = (states: readonly ConnectionState[]) => states.map(({ connectionName }) => connectionName)

/** Mail is connected, calendar is not. */
async function halfConnected(scripted = {}, options = {}): Promise<Setup> {
  const toolNames = ['mail__search', 'calendar__list']
  const given = await setup({ connections: ['mail', 'calendar'], toolNames, ...scripted }, options)
  given.plane.setStatus('u1', 'mail', 'ACTIVE')
  return given
}

describe('userTools with require', () => {
  it.each<Requirement>(['any', ['mail']])(
    'starts with what is connected, and tells what is missing, for %j',
    async (require) => {
      const { latchkey } = await halfConnected()
      const { tools, missing } = await latchkey.userTools('u1', { require })
      expect(tools.map(({ name }) => name)).toEqual(['mail__search'])
      expect(missing.map(({ connectionName, status }) => [connectionName, status])).toEqual([
        ['calendar', 'PENDING_AUTH'],
      ])
      expect(missing[0]?.authenticationLink).toMatch(/\/connect\//)
    },
  )

  it('has the tools of a connection at the first call after it became ACTIVE, and keeps the older tools working', async () => {
    const { plane, latchkey } = await halfConnected()
    const before = await latchkey.userTools('u1', { require: 'any' })
    plane.setStatus('u1', 'calendar', 'ACTIVE')
    const after = await latchkey.userTools('u1', { require: 'any' })
    expect(after.tools.map(({ name }) => name)).toEqual(['mail__search', 'calendar__list'])
    expect(after.missing).toEqual([])
    await before.tools[0]?.call({})
    await after.tools[1]?.call({})
    expect(plane.toolCalls).toEqual(['u1 mail__search', 'u1 calendar__list'])
    // From here on all is known.
    const requests = plane.requests.length
    await latchkey.userTools('u1', { require: 'any' })
    expect(plane.requests).toHaveLength(requests)
  })

  it('makes links once, and shows each once, however often it is asked', async () => {
    const { plane, latchkey } = await halfConnected()
    const shown: string[][] = []
    const onAuthorizationRequired = (connections: readonly ConnectionState[]) => shown.push(names(connections))
    for (let times = 0; times < 3; times += 1)
      await latchkey.userTools('u1', { require: 'any', onAuthorizationRequired })
    expect(shown).toEqual([['calendar']])
    expect(plane.count(AUTH_STATE)).toBe(1)
  })

  it('makes new links, and shows them, when the old ones are about to end', async () => {
    const { plane, timing, latchkey } = await halfConnected({ linksEndAt: '2026-01-01T00:10:00Z' })
    const shown: (string | undefined)[] = []
    const onAuthorizationRequired = ([state]: readonly ConnectionState[]) => shown.push(state?.authenticationLink)
    await latchkey.userTools('u1', { require: 'any', onAuthorizationRequired })
    timing.advance(9 * 60_000)
    plane.linksEndAt = '2026-01-01T00:20:00Z'
    await latchkey.userTools('u1', { require: 'any', onAuthorizationRequired })
    expect(new Set(shown).size).toBe(2)
  })

  it('makes a new link, and shows it, when a grant ends again after the link was used', async () => {
    const { plane, latchkey } = await halfConnected({ connections: ['mail', 'calendar', 'fax'] })
    const shown: (string | undefined)[] = []
    const onAuthorizationRequired = ([state]: readonly ConnectionState[]) => void shown.push(state?.authenticationLink)
    for (const status of ['EXPIRED', 'ACTIVE', 'EXPIRED']) {
      plane.setStatus('u1', 'calendar', status)
      await latchkey.userTools('u1', { require: 'any', onAuthorizationRequired })
    }
    expect([shown.length, new Set(shown).size]).toEqual([2, 2])
  })

  it("shows the app's own link, which is the same for all, to each user, and again when a grant ends", async () => {
    const { plane, latchkey } = await halfConnected({}, { startUrl: 'https://app.test/start' })
    plane.setStatus('u2', 'mail', 'ACTIVE')
    const shown: (string | undefined)[] = []
    const onAuthorizationRequired = ([state]: readonly ConnectionState[]) => void shown.push(state?.authenticationLink)
    const options = { require: 'any' as const, onAuthorizationRequired }
    for (const user of ['u1', 'u2', 'u1']) await latchkey.userTools(user, options)
    expect(shown).toHaveLength(2)
    plane.setStatus('u1', 'calendar', 'EXPIRED')
    await latchkey.userTools('u1', options)
    expect(shown).toEqual(Array.from({ length: 3 }, () => 'https://app.test/start?connection=calendar'))
  })

  it('gives the tools there are when no links to the others can be had', async () => {
    const { plane, latchkey } = await halfConnected()
    plane.inject(AUTH_STATE, () => new Response('down', { status: 500 }))
    const { tools, missing } = await latchkey.userTools('u1', { require: 'any' })
    expect([tools.length, names(missing)]).toEqual([1, ['calendar']])
  })

  it('never gives the partial endpoint to who requires everything', async () => {
    const { latchkey } = await halfConnected()
    await latchkey.userTools('u1', { require: 'any' })
    const error = await failureOf(latchkey.userTools('u1'))
    expect([error.code, names(error.connections)]).toEqual(['authorization_required', ['calendar']])
  })

  it('asks for what is required by name, and for nothing else', async () => {
    const { latchkey } = await halfConnected()
    const error = await failureOf(latchkey.userTools('u1', { require: ['calendar'] }))
    expect([error.code, names(error.connections)]).toEqual(['authorization_required', ['calendar']])
  })

  it('waits for the first of them when any will do', async () => {
    const { plane, latchkey } = await setup({ connections: ['mail', 'calendar'], toolNames: ['mail__search'] })
    const shown: string[][] = []
    const told: string[][] = []
    const tools = latchkey.userTools('u1', {
      require: 'any',
      onAuthorizationRequired: (connections) => shown.push(names(connections)),
      onPending: (pending) => told.push(names(pending)),
    })
    await plane.answered(ENSURE, 2)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    expect(names((await tools).missing)).toEqual(['calendar'])
    // Shown at first, and calendar again with the link that is now in `missing`.
    expect(shown).toEqual([['mail', 'calendar'], ['calendar']])
    expect(told).toEqual([['mail', 'calendar']])
  })

  it('goes on waiting for another one when any will do and one failed', async () => {
    const { plane, latchkey } = await setup({ connections: ['mail', 'calendar'], toolNames: ['mail__search'] })
    const tools = latchkey.userTools('u1', { require: 'any', onAuthorizationRequired: () => {} })
    await plane.answered(ENSURE, 2)
    plane.setStatus('u1', 'calendar', 'DISCONNECTED')
    await plane.answered(ENSURE, 3)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    expect(names((await tools).missing)).toEqual(['calendar'])
  })

  it('says which connections there are when a required one is not among them', async () => {
    const { latchkey } = await halfConnected()
    const error = await failureOf(latchkey.userTools('u1', { require: ['fax'] }))
    expect(error.code).toBe('rejected')
    expect(error.message).toMatch(/fax.*known: mail, calendar/)
  })

  it.each([['none'], [[]], [['']], [7]])("refuses %j as a caller's mistake", async (require) => {
    const { plane, latchkey } = await halfConnected()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types may pass
    await expect(latchkey.userTools('u1', { require: require as never })).rejects.toThrow(TypeError)
    expect(plane.requests).toEqual([])
  })
})

describe('the probe of an endpoint', () => {
  const unreachable = [{ connection: 'mail', reason: 'unreachable' }]

  it('waits a little for a connection that is required by name, and says not_ready, and why, when the grace is over', async () => {
    const { plane, latchkey } = await halfConnected({ listTtlMs: 0 }, { graceMs: 200 })
    plane.unavailable = unreachable
    const error = await failureOf(latchkey.userTools('u1', { require: ['mail'] }))
    expect(error.code).toBe('not_ready')
    expect(error.message).toContain('mail (unreachable)')
  })

  it('gives a connection that is required by name its grace', async () => {
    const { plane, timing, latchkey } = await halfConnected()
    plane.unavailable = unreachable
    const tools = latchkey.userTools('u1', { require: ['mail'] })
    await timing.timerOf(250)
    plane.unavailable = []
    timing.advance(250)
    expect((await tools).report.unavailable).toEqual([])
    expect(plane.count(MCP)).toBe(2)
  })

  it('gives a connection that was only just authorized its grace, and then goes on without it', async () => {
    const { plane, timing, latchkey } = await setup({}, { graceMs: 500 })
    plane.unavailable = unreachable
    const tools = latchkey.userTools('u1', { onAuthorizationRequired: () => {} })
    await plane.answered(ENSURE, 2)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await timing.timerOf(250)
    timing.advance(250)
    expect((await tools).report.unavailable).toEqual(unreachable)
    expect(plane.count(MCP)).toBe(2)
  })

  it('does not keep an agent waiting for an upstream that is down, when everything is required by default', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('u1', 'mail', 'ACTIVE')
    plane.unavailable = unreachable
    expect((await latchkey.userTools('u1')).report.unavailable).toEqual(unreachable)
    expect((await latchkey.ready('u1')).unavailable).toEqual(unreachable)
    expect((await latchkey.readyMany(['u1'])).ready[0]?.unavailable).toEqual(unreachable)
    expect(plane.count(MCP)).toBe(1)
  })
})

describe('links that expire while somebody waits', () => {
  it('are made anew and shown once more, and not a third time', async () => {
    const given = await setup({ linksEndAt: '2026-01-01T00:10:00Z' }, { timeoutMs: 7_200_000 })
    const { plane, timing, latchkey } = given
    const shown: (string | undefined)[] = []
    const ready = latchkey.ready('u1', {
      onAuthorizationRequired: ([state]: readonly ConnectionState[]) => void shown.push(state?.authenticationLink),
    })
    await plane.answered(ENSURE, 2)
    plane.linksEndAt = '2026-01-01T00:20:00Z'
    timing.advance(600_000)
    await plane.answered(AUTH_STATE, 2)
    await expect.poll(() => shown.length).toBe(2)
    timing.advance(600_000)
    const readings = plane.count(ENSURE)
    plane.push('u1', 'mail', 'PENDING_AUTH')
    await plane.answered(ENSURE, readings + 1)
    expect(plane.count(AUTH_STATE)).toBe(2)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await ready
    expect(new Set(shown).size).toBe(2)
    expect(timing.pending).toBe(0)
  })
})

const linksMade = ({ calls }: ScriptedBackend) => calls.filter(({ method }) => method === 'getAuthLinks').length

describe('links of which one does not say when it ends', () => {
  it('are made anew when the first of the others ends', async () => {
    const timing = new ManualTiming()
    const scripted = createScriptedBackend({ timing, connections: ['mail', 'calendar'] })
    const ends: Record<string, Date> = { mail: new Date(timing.now() + 600_000) }
    const backend: Backend = {
      ...scripted,
      getAuthState: async (...asked) =>
        (await scripted.getAuthState(...asked)).map(
          (state) =>
            new ConnectionState({
              connectionId: state.connectionId,
              connectionName: state.connectionName,
              status: state.status,
              authenticationLink: state.authenticationLink,
              authenticationLinkExpiresAt: ends[state.connectionName],
            }),
        ),
    }
    await using latchkey = createLatchkey({ backend, fetch: scripted.fetch, timing, timeoutMs: 7_200_000 })
    const ready = latchkey.ready('u1', { onAuthorizationRequired: () => {} })
    ready.catch(() => {})
    await timing.timerOf(600_000)
    timing.advance(599_999)
    expect(linksMade(scripted)).toBe(1)
    timing.advance(1)
    await expect.poll(() => linksMade(scripted)).toBe(2)
  })
})

/** What each token was asked for. */
const tokenRequests = ({ plane }: Setup) =>
  plane.requests.filter(({ path }) => TOKENS.test(path)).map(({ body }) => JSON.parse(body).tools)

describe('userTools with tools', () => {
  const toolNames = ['search_mail', 'read_mail', 'send_mail']
  async function connected() {
    const given = await setup({ toolNames })
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    return given
  }

  it('has a token made for the named tools alone', async () => {
    const given = await connected()
    const { tools } = await given.latchkey.userTools('u1', { tools: ['send_mail', 'read_mail', 'send_mail'] })
    expect(tools.map(({ name }) => name)).toEqual(['read_mail', 'send_mail'])
    expect(tokenRequests(given)).toEqual([['read_mail', 'send_mail']])
    expect(given.plane.count(MCP)).toBe(1)
  })

  it('asks which tools there are for a pattern, and never names the pattern to the gateway', async () => {
    const given = await connected()
    const { tools } = await given.latchkey.userTools('u1', { tools: ['re*', '*ch_*'] })
    expect(tools.map(({ name }) => name)).toEqual(['search_mail', 'read_mail'])
    expect(tokenRequests(given)).toEqual([['read_mail', 'search_mail']])
  })

  it('keeps the narrowed tools and all of them apart', async () => {
    const { latchkey } = await connected()
    const few = await latchkey.userTools('u1', { tools: ['read_mail'] })
    const all = await latchkey.userTools('u1')
    expect([few.tools.length, all.tools.length]).toEqual([1, 3])
    expect(await latchkey.userTools('u1', { tools: ['read_mail'] })).toBe(few)
  })

  it('renews a narrowed token as narrow as it was', async () => {
    const given = await connected()
    const { tools } = await given.latchkey.userTools('u1', { tools: ['read_mail'] })
    given.plane.revokeSessionTokens()
    await tools[0]?.call({})
    expect(tokenRequests(given)).toEqual([['read_mail'], ['read_mail']])
  })

  it('says at once that there is no such tool', async () => {
    const { plane, latchkey } = await connected()
    const error = await failureOf(latchkey.userTools('u1', { tools: ['no_such_tool'] }))
    expect([error.code, plane.count(MCP)]).toEqual(['rejected', 0])
    expect(error.message).toContain('no_such_tool')
  })

  it.each([[[]], [['']], ['read_mail']])("refuses %j as a caller's mistake", async (tools) => {
    const { latchkey } = await connected()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types may pass
    await expect(latchkey.userTools('u1', { tools: tools as never })).rejects.toThrow(TypeError)
  })
})
