import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createLatchkey, latchkeyGateway, type ConnectionState } from '../src/index.ts'
import { CLIENT_ID, CLIENT_SECRET, CONFIG } from './fixtures/scriptedControlPlane.ts'
import { failureOf, setup, type Setup } from './fixtures/setup.ts'

const EVENTS = /^GET \/api\/v1\/events/
const AUTH_STATE = /:get_auth_state$/
const ENSURE = /^POST \/api\/v1\/mcp\/instances$/
const FIRST_POLL_MS = 5_000

/** A wait that has begun, with its event stream open and the reading that follows done. */
async function waiting(given: Setup, options: Parameters<Setup['latchkey']['waitForAuth']>[1] = {}) {
  const wait = given.latchkey.waitForAuth('ins_u1', options)
  wait.catch(() => {})
  await given.plane.answered(AUTH_STATE, 2)
  return { wait }
}

async function expectNothingLeft({ timing, plane, latchkey }: Setup): Promise<void> {
  while (plane.openStreams > 0) await once(plane.events, 'stream closed')
  expect(timing.pending).toBe(0)
  await latchkey.close()
  await plane.socketsClosed()
}

describe('waitForAuth', () => {
  it('wakes on the pushed event, without any time passing', async () => {
    const given = await setup()
    const { wait } = await waiting(given)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    const states = await wait
    expect(states.map((state) => state.status)).toEqual(['ACTIVE'])
    await expectNothingLeft(given)
  })

  it('resolves at once when everything is ACTIVE', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await latchkey.waitForAuth('ins_u1')
    expect(plane.count(EVENTS)).toBe(0)
  })

  it('finds a change that happened before its stream was open', async () => {
    const { plane, latchkey } = await setup()
    plane.events.on('request', () => {
      if (plane.count(EVENTS) === 1) plane.setStatus('u1', 'mail', 'ACTIVE', { push: false })
    })
    await expect(latchkey.waitForAuth('ins_u1')).resolves.toHaveLength(1)
  })

  it('finds a change whose event was lost at the next poll', async () => {
    const given = await setup()
    const { wait } = await waiting(given)
    given.plane.setStatus('u1', 'mail', 'ACTIVE', { push: false })
    given.timing.advance(FIRST_POLL_MS)
    await expect(wait).resolves.toHaveLength(1)
    await expectNothingLeft(given)
  })

  it('polls never faster than once in 5 s, and ever more slowly up to 30 s', async () => {
    const given = await setup({ events: false })
    const wait = given.latchkey.waitForAuth('ins_u1')
    let polls = 1
    for (const delayMs of [5_000, 7_500, 11_250, 16_875, 25_312.5, 30_000]) {
      await given.timing.timerOf(delayMs)
      given.timing.advance(delayMs - 1)
      expect(given.plane.count(AUTH_STATE)).toBe(polls)
      given.timing.advance(1)
      await given.plane.seen(AUTH_STATE, (polls += 1))
    }
    await given.timing.timerOf(30_000)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.timing.advance(30_000)
    await wait
    expect(given.plane.count(EVENTS)).toBe(1)
  })

  it('goes on when the poll fails for a while', async () => {
    const given = await setup({ events: false })
    const wait = given.latchkey.waitForAuth('ins_u1')
    await given.timing.timerOf(FIRST_POLL_MS)
    given.plane.inject(AUTH_STATE, () => new Response('<html>down</html>', { status: 500 }))
    given.timing.advance(5_000)
    await given.timing.timerOf(7_500)
    given.plane.recover()
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.timing.advance(7_500)
    await expect(wait).resolves.toHaveLength(1)
  })

  it('ends when the service refuses to be asked', async () => {
    const given = await setup({ events: false })
    const wait = given.latchkey.waitForAuth('ins_u1')
    wait.catch(() => {})
    await given.timing.timerOf(FIRST_POLL_MS)
    given.plane.inject(AUTH_STATE, () => Response.json({ code: 'NOT_FOUND', message: 'gone' }, { status: 404 }))
    given.timing.advance(5_000)
    expect((await failureOf(wait)).code).toBe('rejected')
    await expectNothingLeft(given)
  })

  it('opens a broken stream again and wakes through it', async () => {
    const given = await setup()
    const { wait } = await waiting(given)
    given.plane.breakStreams()
    await given.timing.timerOf(250)
    given.timing.advance(250)
    await given.plane.answered(EVENTS, 2)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await expect(wait).resolves.toHaveLength(1)
    await expectNothingLeft(given)
  })

  it('opens a stream that closes at once ever more slowly, and reads once in 5 s', async () => {
    const given = await setup()
    given.plane.inject(EVENTS, () => new Response(': hello\n\n', { headers: { 'content-type': 'text/event-stream' } }))
    const { wait } = await waiting(given)
    for (const delayMs of [250, 500, 1_000, 2_000]) {
      await given.timing.timerOf(delayMs)
      given.timing.advance(delayMs)
    }
    await given.timing.timerOf(4_000)
    expect(given.plane.count(EVENTS)).toBe(5)
    expect(given.plane.count(AUTH_STATE)).toBe(2)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.timing.advance(FIRST_POLL_MS - 3_750)
    await expect(wait).resolves.toHaveLength(1)
    expect(given.plane.count(AUTH_STATE)).toBe(3)
    await expectNothingLeft(given)
  })

  it('makes few readings of a burst of events', async () => {
    const given = await setup({ connections: ['mail', 'calendar'] })
    const { wait } = await waiting(given)
    for (let i = 0; i < 50; i += 1) given.plane.push('u1', 'mail', 'PENDING_AUTH')
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.plane.setStatus('u1', 'calendar', 'ACTIVE')
    await wait
    expect(given.plane.count(AUTH_STATE)).toBeLessThan(10)
  })

  it('believes the service and not the event', async () => {
    const given = await setup()
    const { wait } = await waiting(given)
    given.plane.push('u1', 'mail', 'ACTIVE')
    await given.plane.answered(AUTH_STATE, 3)
    given.plane.push('u1', 'mail', 'EXPIRED')
    await given.plane.answered(AUTH_STATE, 4)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await expect(wait).resolves.toHaveLength(1)
  })

  it.each(['EXPIRED', 'DISCONNECTED'])('fails with what is missing when a connection becomes %s', async (status) => {
    const given = await setup()
    const { wait } = await waiting(given)
    given.plane.setStatus('u1', 'mail', status)
    const error = await failureOf(wait)
    expect(error.code).toBe('authorization_failed')
    expect(error.connections.map((state) => [state.connectionName, state.status])).toEqual([['mail', status]])
    await expectNothingLeft(given)
  })

  it.each(['EXPIRED', 'DISCONNECTED', 'SOMETHING_NEW'])(
    'waits when a connection is %s at the start',
    async (status) => {
      const given = await setup()
      given.plane.setStatus('u1', 'mail', status)
      const { wait } = await waiting(given)
      given.plane.setStatus('u1', 'mail', 'PENDING_VERIFICATION')
      await given.plane.answered(AUTH_STATE, 3)
      given.plane.setStatus('u1', 'mail', 'ACTIVE')
      await expect(wait).resolves.toHaveLength(1)
    },
  )

  it('fails when a connection that was EXPIRED at the start is so again after its link was used', async () => {
    const given = await setup({ connections: ['mail', 'calendar'] })
    given.plane.setStatus('u1', 'mail', 'EXPIRED')
    const { wait } = await waiting(given)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await given.plane.answered(AUTH_STATE, 3)
    given.plane.setStatus('u1', 'mail', 'EXPIRED')
    const error = await failureOf(wait)
    expect(error.code).toBe('authorization_failed')
    expect(error.connections.map((state) => state.connectionName)).toEqual(['mail', 'calendar'])
    await expectNothingLeft(given)
  })

  it('rejects with what is missing at the deadline', async () => {
    const given = await setup({ connections: ['mail', 'calendar'] })
    given.plane.setStatus('u1', 'calendar', 'ACTIVE')
    const { wait } = await waiting(given, { timeoutMs: 4_000 })
    given.timing.advance(4_000)
    const error = await failureOf(wait)
    expect(error.code).toBe('authorization_timeout')
    expect(error.connections.map((state) => state.connectionName)).toEqual(['mail'])
    await expectNothingLeft(given)
  })

  it('rejects with what is missing when it is aborted', async () => {
    const given = await setup()
    const controller = new AbortController()
    const { wait } = await waiting(given, { signal: controller.signal })
    controller.abort()
    const error = await failureOf(wait)
    expect(error.code).toBe('aborted')
    expect(error.connections.map((state) => state.connectionName)).toEqual(['mail'])
    await expectNothingLeft(given)
  })

  it('rejects with what is missing when the Latchkey is closed', async () => {
    const given = await setup()
    const { wait } = await waiting(given)
    await given.latchkey.close()
    const error = await failureOf(wait)
    expect(error.code).toBe('aborted')
    expect(error.message).toMatch(/this Latchkey was closed; still missing .*mail \(PENDING_AUTH\)/)
    await expectNothingLeft(given)
  })

  it('asks nothing when it is aborted before it begins', async () => {
    const given = await setup()
    const error = await failureOf(given.latchkey.waitForAuth('ins_u1', { signal: AbortSignal.abort() }))
    expect(error.code).toBe('aborted')
    expect(given.plane.requests).toEqual([])
    await expectNothingLeft(given)
  })

  it('tells what is pending at the start and whenever it changes', async () => {
    const given = await setup({ connections: ['mail', 'calendar'] })
    const told: string[][] = []
    const onPending = (pending: readonly ConnectionState[]) => told.push(pending.map((state) => state.connectionName))
    const { wait } = await waiting(given, { onPending })
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await given.plane.answered(AUTH_STATE, 3)
    given.plane.setStatus('u1', 'calendar', 'ACTIVE')
    await wait
    expect(told).toEqual([['mail', 'calendar'], ['calendar']])
  })

  it('keeps one stream for all who wait for an instance, and goes on when one of them leaves', async () => {
    const given = await setup()
    const controller = new AbortController()
    const { wait: leaving } = await waiting(given, { signal: controller.signal })
    const staying = given.latchkey.waitForAuth('ins_u1')
    await given.plane.answered(AUTH_STATE, 4)
    controller.abort()
    expect((await failureOf(leaving)).code).toBe('aborted')
    expect(given.plane.openStreams).toBe(1)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await expect(staying).resolves.toHaveLength(1)
    expect(given.plane.count(EVENTS)).toBe(1)
    await expectNothingLeft(given)
  })
})

const namesOf = (states: readonly ConnectionState[]) => states.map(({ connectionName }) => connectionName)

/** The endpoint, or its token, is refused; the account was ACTIVE until then. */
async function expiring(how: 'endpoint' | 'token') {
  const given = await setup({ extensions: false })
  given.plane.setStatus('u1', 'mail', 'ACTIVE')
  const expire = () => {
    given.plane.setStatus('u1', 'mail', 'EXPIRED')
    return how === 'endpoint' ? new Response('who?', { status: 401 }) : undefined
  }
  given.plane.inject(how === 'endpoint' ? /mcp\/cfg_1$/ : /tokens$/, expire, 1)
  return given
}

describe('ready', () => {
  it('rejects at once with the links when nobody is there to show them', async () => {
    const given = await setup()
    const error = await failureOf(given.latchkey.ready('u1'))
    expect(error.code).toBe('authorization_required')
    expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    await expectNothingLeft(given)
  })

  it('gives the links when the user has to authorize again before the endpoint can have a token', async () => {
    const given = await setup()
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    const endpoint = await given.latchkey.ready('u1')
    given.plane.setStatus('u1', 'mail', 'EXPIRED')
    given.timing.advance(3_600_000)
    const error = await failureOf(endpoint.headers())
    expect(error.code).toBe('authorization_required')
    expect(error.connections.map((state) => state.connectionName)).toEqual(['mail'])
    expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    expect(given.plane.count(AUTH_STATE)).toBe(1)
  })

  it('asks for links once, shows them once, waits, and gives an endpoint that works', async () => {
    const given = await setup()
    const shown: (readonly ConnectionState[])[] = []
    const ready = given.latchkey.ready('u1', { onAuthorizationRequired: (pending) => shown.push(pending) })
    await given.plane.answered(ENSURE, 2)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    const endpoint = await ready
    expect(shown.map((pending) => pending.map((state) => state.connectionName))).toEqual([['mail']])
    expect(given.plane.count(AUTH_STATE)).toBe(1)
    // Ensured, read when the stream opened, read after the event (which gave the token): nothing more.
    expect(given.plane.count(ENSURE)).toBe(3)
    expect(given.plane.count(/tokens$/)).toBe(0)
    expect(await endpoint.headers()).toEqual({ authorization: expect.stringMatching(/^Bearer canary-session-token/) })
    await expectNothingLeft(given)
  })

  it('tells how far the user is, and shows each link once, while it waits', async () => {
    const given = await setup({ connections: ['mail', 'calendar'] })
    const told: string[][] = []
    const shown: string[][] = []
    const ready = given.latchkey.ready('u1', {
      onPending: (pending) => told.push(namesOf(pending)),
      onAuthorizationRequired: (pending) => shown.push(namesOf(pending)),
    })
    await given.plane.answered(ENSURE, 2)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    await given.plane.answered(ENSURE, 3)
    given.plane.setStatus('u1', 'calendar', 'ACTIVE')
    await ready
    expect(told).toEqual([['mail', 'calendar'], ['calendar']])
    expect(shown).toEqual([['mail', 'calendar']])
    await expectNothingLeft(given)
  })

  it('rejects with the error of onAuthorizationRequired', async () => {
    const given = await setup()
    const mistake = new Error('no mail server')
    const onAuthorizationRequired = async () => {
      throw mistake
    }
    await expect(given.latchkey.ready('u1', { onAuthorizationRequired })).rejects.toBe(mistake)
    await expectNothingLeft(given)
  })

  it('shares the requests of callers who ask at the same time', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await Promise.all(Array.from({ length: 20 }, () => latchkey.ready('u1')))
    expect(plane.requests.map(({ path }) => path)).toEqual(['/oauth/token', '/api/v1/mcp/instances', '/mcp/cfg_1'])
  })

  it('goes on for one caller when another aborts in the middle of a shared request', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const gate = Promise.withResolvers<undefined>()
    plane.inject(ENSURE, () => gate.promise, 1)
    const controller = new AbortController()
    const leaving = latchkey.ready('u1', { signal: controller.signal })
    const staying = latchkey.ready('u1')
    await plane.seen(ENSURE)
    controller.abort()
    expect((await failureOf(leaving)).code).toBe('aborted')
    gate.resolve(undefined)
    await expect(staying).resolves.toMatchObject({ userIdentifier: 'u1' })
    expect(plane.count(ENSURE)).toBe(1)
  })

  it('falls back to calls of their own where the backend adds nothing to the wire', async () => {
    const given = await setup({ extensions: false, events: false })
    const ready = given.latchkey.ready('u1', { onAuthorizationRequired: () => {} })
    await given.timing.timerOf(FIRST_POLL_MS)
    await given.plane.seen(EVENTS)
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.timing.advance(FIRST_POLL_MS)
    await ready
    expect(given.plane.count(/tokens$/)).toBe(1)
    await expectNothingLeft(given)
  })

  it('gives an endpoint some grace to list tools', async () => {
    const given = await setup()
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.plane.inject(/mcp\/cfg_1/, () => new Response('not yet', { status: 503 }), 2)
    const ready = given.latchkey.ready('u1')
    await given.timing.timerOf(250)
    given.timing.advance(250)
    await given.timing.timerOf(500)
    given.timing.advance(500)
    await expect(ready).resolves.toMatchObject({ userIdentifier: 'u1' })
  })

  describe('when the account turns out to be EXPIRED as the endpoint is probed', () => {
    it.each(['endpoint', 'token'] as const)('gives the link at once when the %s is refused', async (how) => {
      const { plane, latchkey } = await expiring(how)
      const error = await failureOf(latchkey.ready('u1'))
      expect([error.code, error.connections.map(({ connectionName }) => connectionName)]).toEqual([
        'authorization_required',
        ['mail'],
      ])
      expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
      expect(plane.toolCalls).toEqual([])
    })

    it('gives the link at once when the URL is the credential, and is refused', async () => {
      const { plane, timing } = await setup({ extensions: false })
      plane.setStatus('u1', 'mail', 'ACTIVE')
      plane.inject(/mcp\/canary-url-secret/, () => {
        plane.setStatus('u1', 'mail', 'EXPIRED')
        return new Response('who?', { status: 401 })
      })
      const gateway = latchkeyGateway({ url: plane.url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })
      const ensureInstance: typeof gateway.ensureInstance = async (...asked) => {
        const { instance } = await gateway.ensureInstance(...asked)
        return { instance: { ...instance, url: instance.url, mcpServerUrl: undefined } }
      }
      await using latchkey = createLatchkey({ backend: { ...gateway, ensureInstance }, config: CONFIG, timing })
      const error = await failureOf(latchkey.ready('u1'))
      expect([error.code, error.connections[0]?.connectionName]).toEqual(['authorization_required', 'mail'])
      expect(error.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    })

    it.each(['endpoint', 'token'] as const)('shows the link and waits when the %s is refused', async (how) => {
      const given = await expiring(how)
      const shown = Promise.withResolvers<readonly ConnectionState[]>()
      const ready = given.latchkey.ready('u1', { onAuthorizationRequired: shown.resolve })
      expect((await shown.promise)[0]?.authenticationLink).toMatch(/\/connect\//)
      await given.plane.answered(EVENTS)
      given.plane.setStatus('u1', 'mail', 'ACTIVE')
      await expect(ready).resolves.toMatchObject({ userIdentifier: 'u1' })
      await expectNothingLeft(given)
    })
  })

  it('says not_ready when the grace is over', async () => {
    const given = await setup({}, { graceMs: 200 })
    given.plane.setStatus('u1', 'mail', 'ACTIVE')
    given.plane.inject(/mcp\/cfg_1/, () => new Response('<html>', { headers: { 'content-type': 'text/html' } }))
    expect((await failureOf(given.latchkey.ready('u1'))).code).toBe('not_ready')
    await expectNothingLeft(given)
  })
})
