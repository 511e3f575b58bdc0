import { describe, expect, it } from 'vitest'
import { createLatchkey, type ConnectionState, type LatchkeyOptions, type UserTool } from '../src/index.ts'
import { CLIENT_ID, CLIENT_SECRET, CONFIG } from './fixtures/scriptedControlPlane.ts'
import { failureOf, setup, type Setup } from './fixtures/setup.ts'

const EVENTS = /^GET \/api\/v1\/events/
const MCP = /\/mcp\/cfg_1$/
const AUTH_STATE = /:get_auth_state$/

/** The user's consent has expired since the tools were got. `send` is refused without it. */
async function expired(
  era: 'modern' | 'legacy' = 'modern',
  options: LatchkeyOptions = {},
): Promise<Setup & { send: UserTool }> {
  const given = await setup({ era, toolNames: ['send'] }, options)
  given.plane.setStatus('u1', 'mail', 'ACTIVE')
  const { tools } = await given.latchkey.userTools('u1')
  given.plane.setStatus('u1', 'mail', 'EXPIRED')
  const [send] = tools
  if (!send) throw new Error('no tool')
  return { ...given, send }
}

/** That `calendar` is ACTIVE: news of something else. */
function statusEvent({ id }: { id?: string }): string {
  const data = {
    spec_version: '1',
    id: 'evt',
    type: 'connected_account.status_updated',
    occurred_at: new Date(0).toISOString(),
    data: { id: 'ca', identifier: 'u1', connection_id: 'c', connection_name: 'calendar', status: 'ACTIVE' },
  }
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}

/** A stream that is over after this. */
function eventStream(events: string): Response {
  return new Response(`: hello\n\n${events}`, { headers: { 'content-type': 'text/event-stream' } })
}

/**
 * A call that waits for more to be granted. The first streams of events are over after this one event each. `asked` tells
 * after which event each stream was to begin.
 */
async function interrupted(...events: string[]) {
  const given = await setup({ toolNames: ['upgrade'] })
  given.plane.setStatus('u1', 'mail', 'ACTIVE')
  const asked: (string | null)[] = []
  given.plane.inject(EVENTS, ({ headers }) => {
    asked.push(headers.get('last-event-id'))
    const event = events[asked.length - 1]
    return event === undefined ? undefined : eventStream(event)
  })
  const { tools } = await given.latchkey.userTools('u1')
  let timesShown = 0
  const onAuthorizationRequired = () => void (timesShown += 1)
  const callAgain = async () => await tools[0]?.call({}, { authorizationTimeoutMs: 30_000, onAuthorizationRequired })
  const call = callAgain()
  call.catch(() => {})
  await given.timing.timerOf(250)
  return { ...given, call, callAgain, asked, shownTimes: () => timesShown }
}

describe('UserTool.call with onAuthorizationRequired', () => {
  it.each(['modern', 'legacy'] as const)(
    'waits for the consent and is carried out once, in the %s era',
    async (era) => {
      const { plane, timing, send } = await expired(era)
      const shown = Promise.withResolvers<readonly ConnectionState[]>()
      const call = send.call({ to: 'x' }, { onAuthorizationRequired: shown.resolve })
      expect((await shown.promise)[0]?.authenticationLink).toMatch(/\/connect\//)
      await plane.answered(EVENTS)
      expect(plane.toolCalls).toEqual([])
      plane.setStatus('u1', 'mail', 'ACTIVE')
      await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
      expect(plane.toolCalls).toEqual(['u1 send'])
      const sent = plane.requests
        .filter(({ body }) => body.includes('tools/call'))
        .map(({ body }) => JSON.parse(body).params)
      expect(sent.map(({ arguments: args }) => args)).toEqual([{ to: 'x' }, { to: 'x' }])
      expect(timing.pending).toBe(0)
    },
  )

  it('shows one link, and carries out each call once, when several are refused at the same time', async () => {
    const { plane, send } = await expired()
    const shown: (readonly ConnectionState[])[] = []
    const onAuthorizationRequired = (connections: readonly ConnectionState[]) => void shown.push(connections)
    const calls = Promise.all(Array.from({ length: 5 }, () => send.call({}, { onAuthorizationRequired })))
    await plane.answered(EVENTS)
    await plane.answered(/\/mcp\/cfg_1$/, 6)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await calls
    expect(shown).toHaveLength(1)
    expect(plane.toolCalls).toHaveLength(5)
  })

  it('is not sent again when it is aborted while it waits', async () => {
    const { plane, timing, send } = await expired()
    const controller = new AbortController()
    const call = send.call({}, { signal: controller.signal, onAuthorizationRequired: () => {} })
    call.catch(() => {})
    await plane.answered(EVENTS)
    controller.abort()
    expect((await failureOf(call)).code).toBe('aborted')
    plane.setStatus('u1', 'mail', 'ACTIVE')
    expect(timing.pending).toBe(0)
    expect(plane.toolCalls).toEqual([])
  })

  it('is not sent again when nobody consented in time, and says what is missing', async () => {
    const { plane, timing, send } = await expired()
    const call = send.call({}, { authorizationTimeoutMs: 3_000, onAuthorizationRequired: () => {} })
    call.catch(() => {})
    await plane.answered(EVENTS)
    timing.advance(3_000)
    const error = await failureOf(call)
    expect([error.code, error.connections[0]?.connectionName]).toEqual(['authorization_timeout', 'mail'])
    expect(plane.count(/\/mcp\/cfg_1$/)).toBe(2)
    expect(plane.toolCalls).toEqual([])
  })

  it.each(['modern', 'legacy'] as const)(
    'shows a fresh link, once, when the first may have ended while it waits, in the %s era',
    async (era) => {
      const { plane, timing, send } = await expired(era)
      const shown: (string | undefined)[] = []
      const shownAgain = Promise.withResolvers<void>()
      const onAuthorizationRequired = (connections: readonly ConnectionState[]) => {
        shown.push(...connections.map(({ authenticationLink }) => authenticationLink))
        if (shown.length === 2) shownAgain.resolve()
      }
      const call = send.call({}, { authorizationTimeoutMs: 1_200_000, onAuthorizationRequired })
      await plane.answered(AUTH_STATE, 2)
      timing.advance(660_000)
      await shownAgain.promise
      timing.advance(480_000)
      plane.setStatus('u1', 'mail', 'ACTIVE')
      await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
      expect(shown).toEqual([expect.stringMatching(/\/connect\//), expect.stringMatching(/\/connect\//)])
      expect(new Set(shown).size).toBe(2)
      expect(timing.pending).toBe(0)
    },
  )

  it("shows the app's own link once, which does not end", async () => {
    const { plane, timing, send } = await expired('modern', { startUrl: 'https://app.test/start' })
    const shown: (readonly ConnectionState[])[] = []
    const onAuthorizationRequired = (connections: readonly ConnectionState[]) => void shown.push(connections)
    const call = send.call({}, { authorizationTimeoutMs: 1_200_000, onAuthorizationRequired })
    await plane.answered(AUTH_STATE, 2)
    timing.advance(660_000)
    // By the poll, and for the links.
    await plane.answered(AUTH_STATE, 4)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await call
    expect(shown.map(([state]) => state?.authenticationLink)).toEqual(['https://app.test/start?connection=mail'])
  })

  it('waits until the user has granted more when the connection was ACTIVE all along', async () => {
    const { plane, latchkey } = await setup({ toolNames: ['upgrade'] })
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const { tools } = await latchkey.userTools('u1')
    const shown = Promise.withResolvers<readonly ConnectionState[]>()
    const call = tools[0]?.call({}, { onAuthorizationRequired: shown.resolve })
    expect((await shown.promise)[0]?.authenticationLink).toMatch(/\/connect\//)
    // News of something else are no reason to call.
    plane.push('u1', 'calendar', 'ACTIVE')
    plane.isUpgraded = true
    plane.push('u1', 'mail', 'ACTIVE')
    await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
    expect(plane.toolCalls).toEqual(['u1 upgrade'])
  })

  it('rejects when consent is wanted even after it was given, instead of going round', async () => {
    const { plane, timing, latchkey } = await setup({ toolNames: ['consent'] })
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const { tools } = await latchkey.userTools('u1')
    const onAuthorizationRequired = () => plane.push('u1', 'mail', 'ACTIVE')
    const error = await failureOf(tools[0]?.call({}, { onAuthorizationRequired }) ?? Promise.resolve())
    expect(error.code).toBe('authorization_required')
    expect(plane.requests.filter(({ body }) => body.includes('tools/call'))).toHaveLength(3)
    expect(timing.pending).toBe(0)
  })

  it('rejects at once where nothing could tell that more was granted', async () => {
    const { plane, latchkey } = await setup({ toolNames: ['consent'], events: false })
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const { tools } = await latchkey.userTools('u1')
    const call = tools[0]?.call({}, { onAuthorizationRequired: () => {} })
    expect((await failureOf(call ?? Promise.resolve())).code).toBe('authorization_required')
  })

  it('is carried out when more was granted while the stream of events was interrupted before any event', async () => {
    const { plane, timing, call } = await interrupted('')
    plane.isUpgraded = true
    plane.push('u1', 'mail', 'ACTIVE')
    timing.advance(250)
    await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
    expect(plane.toolCalls).toEqual(['u1 upgrade'])
    expect(timing.pending).toBe(0)
  })

  it('waits on, without showing links again, when it is refused still after the stream was interrupted', async () => {
    const { plane, timing, call, shownTimes } = await interrupted(statusEvent({}))
    timing.advance(250)
    await plane.answered(MCP, 4)
    plane.isUpgraded = true
    plane.push('u1', 'mail', 'ACTIVE')
    await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
    expect([plane.toolCalls, shownTimes(), timing.pending]).toEqual([['u1 upgrade'], 1, 0])
  })

  it('is sent less and less often when the stream is interrupted again and again, until its time is over', async () => {
    const { plane, timing, call } = await interrupted(...Array.from({ length: 4 }, () => statusEvent({})))
    let refusals = 2
    for (const reopenMs of [250, 500, 1_000]) {
      await timing.timerOf(reopenMs)
      timing.advance(reopenMs)
      refusals += 1
      await plane.answered(MCP, 1 + refusals)
    }
    await timing.timerOf(2_000)
    timing.advance(30_000)
    const error = await failureOf(call)
    expect([error.code, error.connections[0]?.connectionName]).toEqual(['authorization_timeout', 'mail'])
    expect([plane.toolCalls, timing.pending]).toEqual([[], 0])
  })

  it('waits on one stream, and shows one link, when several are refused still after it was interrupted', async () => {
    const { plane, timing, call, callAgain, shownTimes, asked } = await interrupted('')
    const calls = Promise.all([call, callAgain()])
    // Each waits first for what is not ACTIVE, and then for more.
    await expect.poll(() => timing.delays.filter((delayMs) => delayMs === 30_000).length).toBe(4)
    timing.advance(250)
    await plane.answered(MCP, 7)
    plane.isUpgraded = true
    plane.push('u1', 'mail', 'ACTIVE')
    await calls
    expect([plane.toolCalls, shownTimes(), asked.length]).toEqual([['u1 upgrade', 'u1 upgrade'], 1, 2])
    expect(timing.pending).toBe(0)
  })

  it('opens an interrupted stream again as soon as at first when it has told something', async () => {
    const { plane, timing, asked } = await interrupted(statusEvent({ id: '7' }), statusEvent({ id: '8' }))
    timing.advance(250)
    await plane.answered(EVENTS, 2)
    await timing.timerOf(250)
    timing.advance(250)
    await plane.answered(EVENTS, 3)
    expect(asked).toEqual([null, '7', '8'])
  })

  it('goes on waiting, from the last event on, when an interrupted stream can be resumed', async () => {
    const { plane, timing, call, asked } = await interrupted(statusEvent({ id: '7' }))
    timing.advance(250)
    await plane.answered(EVENTS, 2)
    expect(asked).toEqual([null, '7'])
    plane.isUpgraded = true
    plane.push('u1', 'mail', 'ACTIVE')
    await expect(call).resolves.toMatchObject({ content: [{ text: 'u1' }] })
    expect(plane.requests.filter(({ body }) => body.includes('tools/call'))).toHaveLength(3)
  })

  it('rejects with the error of the callback', async () => {
    const { send, timing } = await expired()
    const mistake = new Error('no mail server')
    const call = send.call({}, { onAuthorizationRequired: () => Promise.reject(mistake) })
    await expect(call).rejects.toBe(mistake)
    expect(timing.pending).toBe(0)
  })
})

describe('createLatchkey with startUrl', () => {
  it('can still revoke a user (regression: the wrapped backend lost the method)', async () => {
    const { plane } = await setup()
    await using latchkey = createLatchkey({
      url: plane.url,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      config: CONFIG,
      startUrl: 'https://app.test/start',
    })
    const error = await failureOf(latchkey.revokeUser('u1'))
    expect(error.message).not.toContain('cannot revoke')
    expect(plane.count(/users:revoke$/)).toBe(1)
  })
})
