import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLatchkey, latchkeyGateway, type Backend } from '../src/index.ts'
import { failureOf, setup } from './fixtures/setup.ts'
import { CLIENT_ID, CLIENT_SECRET, CONFIG, ScriptedControlPlane } from './fixtures/scriptedControlPlane.ts'

const ENSURE = /^POST \/api\/v1\/mcp\/instances$/

const identity = (clientId: string, clientSecret: string) =>
  latchkeyGateway({ url: 'https://g.example', clientId, clientSecret }).identity

/** Listens until the stream ends, however it ends. */
async function drain(gateway: Backend, signal: AbortSignal): Promise<void> {
  const events = gateway.statusEvents?.('ins_a', { signal }) ?? []
  try {
    for await (const event of events) void event
  } catch {
    // It was refused, or broke.
  }
}

describe('latchkeyGateway', () => {
  it('gets the access token once for all, and again before it ends', async () => {
    const { plane, timing, latchkey } = await setup()
    await Promise.all(['a', 'b', 'c'].map((user) => latchkey.ensureInstance(user)))
    expect(plane.count(/oauth/)).toBe(1)
    timing.advance(3_600_000 - 60_000)
    await latchkey.ensureInstance('a')
    expect(plane.count(/oauth/)).toBe(2)
  })

  it('renews a refused access token once for all', async () => {
    const { plane, latchkey } = await setup()
    await latchkey.ensureInstance('a')
    plane.revokeAccessTokens()
    await Promise.all(['a', 'b', 'c', 'd'].map((user) => latchkey.ensureInstance(user)))
    expect(plane.count(/oauth/)).toBe(2)
  })

  it('gives the same instance and URL each time', async () => {
    const { latchkey } = await setup()
    const [first, second] = [await latchkey.ensureInstance('a'), await latchkey.ensureInstance('a')]
    expect([first.id, first.url]).toEqual([second.id, second.url])
    expect(await latchkey.mcpUrl('a')).toBe(first.url)
  })

  it('says which options to check when the client is refused', async () => {
    const { latchkey } = await setup({}, { clientSecret: 'wrong' })
    const error = await failureOf(latchkey.ensureInstance('a'))
    expect(error.code).toBe('unauthorized')
    expect(error.message).toContain('LATCHKEY_CLIENT_SECRET')
    expect(error.message).not.toContain('wrong')
  })

  it('names the known configs when one is unknown', async () => {
    const { latchkey } = await setup()
    const error = await failureOf(latchkey.ensureInstance('a', { config: 'emial-agent' }))
    expect(error.code).toBe('unknown_config')
    expect(error.message).toContain(CONFIG)
  })

  // Regression: each stream of a long wait that ended left a listener on the signal of the wait.
  it.each([
    ['is over', () => new Response(': hello\n\n', { headers: { 'content-type': 'text/event-stream' } })],
    ['is none', () => new Response('{}', { headers: { 'content-type': 'application/json' } })],
    ['is refused', () => new Response('', { status: 500 })],
  ])('leaves no listener on the signal when an event stream %s', async (_how, answer) => {
    const { plane } = await setup()
    plane.inject(/^GET \/api\/v1\/events/, answer)
    const gateway = latchkeyGateway({ url: plane.url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })
    const { signal } = new AbortController()
    for (let times = 0; times < 20; times += 1) await drain(gateway, signal)
    expect(plane.count(/^GET \/api\/v1\/events/)).toBe(20)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await gateway.close()
  })

  it('lets go of the signal when nobody listens to an event stream any more', async () => {
    const { plane } = await setup()
    const gateway = latchkeyGateway({ url: plane.url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })
    const { signal } = new AbortController()
    const onOpen = () => plane.push('a', 'mail', 'ACTIVE')
    for await (const { status } of gateway.statusEvents?.('ins_a', { signal, onOpen }) ?? []) {
      expect([status, getEventListeners(signal, 'abort').length > 0]).toEqual(['ACTIVE', true])
      break
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await gateway.close()
  })

  it('says invalid_response when it answers for another user', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('b', 'mail', 'ACTIVE')
    const instance = { id: 'ins_b', user_identifier: 'b', url: `${plane.url}/mcp/canary-url-secret-b` }
    plane.inject(ENSURE, () => Response.json({ instance }))
    for (const failing of [latchkey.ensureInstance('a'), latchkey.mcpUrl('a'), latchkey.userTools('a')]) {
      const error = await failureOf(failing)
      expect(error.code).toBe('invalid_response')
      expect(error.message).not.toContain('canary')
    }
  })

  it('says that it is no control plane when it answers HTML', async () => {
    const { plane, latchkey } = await setup()
    plane.inject(ENSURE, () => new Response('<html>hello</html>', { headers: { 'content-type': 'text/html' } }))
    const error = await failureOf(latchkey.ensureInstance('a'))
    expect(error.code).toBe('invalid_response')
    expect(error.message).not.toContain('html')
  })

  it('does not follow a redirect with its credentials', async () => {
    const { plane, latchkey } = await setup()
    plane.inject(/oauth/, () => new Response(null, { status: 307, headers: { location: `${plane.url}/elsewhere` } }))
    expect((await failureOf(latchkey.ensureInstance('a'))).code).toBe('invalid_response')
    expect(plane.count(/elsewhere/)).toBe(0)
  })

  it('tries three times, with pauses, when it is not there', async () => {
    const plane = await new ScriptedControlPlane().start()
    await plane.close()
    const { timing, latchkey } = await setup({}, { url: plane.url })
    const failure = failureOf(latchkey.ensureInstance('a'))
    await timing.timerOf(50)
    timing.advance(50)
    await timing.timerOf(100)
    timing.advance(100)
    expect((await failure).code).toBe('unavailable')
    expect(timing.pending).toBe(0)
  })

  it('waits as long as Retry-After asks, and tries again', async () => {
    const { plane, timing, latchkey } = await setup()
    plane.inject(ENSURE, () => new Response(null, { status: 503, headers: { 'retry-after': '2' } }), 1)
    const instance = latchkey.ensureInstance('a')
    await timing.timerOf(2_000)
    timing.advance(2_000)
    await expect(instance).resolves.toMatchObject({ userIdentifier: 'a' })
  })

  it('does not mint links a second time when it is not known whether they were minted', async () => {
    const { plane, timing, latchkey } = await setup()
    plane.inject(/get_auth_state/, () => new Response(null, { status: 503 }))
    const failure = await failureOf(latchkey.getAuthState('ins_a', { includeAuthLinks: true }))
    expect(failure.code).toBe('unavailable')
    expect(plane.count(/get_auth_state/)).toBe(1)
    expect(timing.pending).toBe(0)
  })

  it('gives up when it does not answer in time', async () => {
    const { plane, timing, latchkey } = await setup()
    plane.inject(ENSURE, () => new Promise<Response>(() => {}))
    const failure = failureOf(latchkey.ensureInstance('a'))
    await plane.seen(ENSURE)
    timing.advance(10_000)
    expect((await failure).code).toBe('timeout')
    expect(timing.pending).toBe(0)
  })

  it.each(['http://gateway.example', 'https://user:pass@gateway.example', 'https://g.example/?a=b', 'nonsense'])(
    'refuses to send a secret to %s',
    (url) => {
      expect(() => latchkeyGateway({ url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })).toThrow(TypeError)
    },
  )

  it('is another one for another client or secret', () => {
    expect(identity('a', 'x')).toBe(identity('a', 'x'))
    expect(new Set([identity('a', 'x'), identity('b', 'x'), identity('a', 'y')]).size).toBe(3)
  })
})

describe('user identifiers', () => {
  it.each(['', 'x'.repeat(256), 'a\nb', 'a\u0000', 'e\u0301', '\ud800'])(
    'refuses %j without asking anybody',
    async (user) => {
      const { plane, latchkey } = await setup()
      expect((await failureOf(latchkey.userTools(user))).code).toBe('invalid_user_identifier')
      expect(plane.requests).toEqual([])
    },
  )

  it.each(['__proto__', 'constructor', 'a b', 'ä', 'x'.repeat(255), '../..', '🦊'])(
    'takes %j as it is',
    async (user) => {
      const { plane, latchkey } = await setup()
      plane.setStatus(user, 'mail', 'ACTIVE')
      const { tools } = await latchkey.userTools(user)
      expect((await tools[0]?.call({}))?.content).toEqual([{ type: 'text', text: user }])
    },
  )

  it('lets nothing but LatchkeyErrors out, whatever the identifier', async () => {
    const { latchkey } = await setup()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (user) => {
        const error = await failureOf(latchkey.userTools(user))
        expect(['authorization_required', 'invalid_user_identifier']).toContain(error.code)
      }),
      { numRuns: 50 },
    )
  })
})

describe('createLatchkey', () => {
  it.each(['url', 'clientId', 'clientSecret'])('names %s and the two ways to give it when it is missing', (name) => {
    const all = { url: 'https://g.example', clientId: 'a', clientSecret: 'b' }
    const variable = { url: 'LATCHKEY_URL', clientId: 'LATCHKEY_CLIENT_ID', clientSecret: 'LATCHKEY_CLIENT_SECRET' }[
      name
    ]
    const create = () => createLatchkey({ ...all, [name]: undefined, env: {} })
    expect(create).toThrow(TypeError)
    expect(create).toThrow(`\`${name}\``)
    expect(create).toThrow(variable)
  })

  it('takes from the environment what is not given', async () => {
    const plane = await new ScriptedControlPlane().start()
    await using latchkey = createLatchkey({
      clientId: CLIENT_ID,
      env: {
        LATCHKEY_URL: plane.url,
        LATCHKEY_CLIENT_ID: 'not this one',
        LATCHKEY_CLIENT_SECRET: CLIENT_SECRET,
        LATCHKEY_CONFIG: CONFIG,
      },
    })
    await expect(latchkey.ensureInstance('a')).resolves.toMatchObject({ configName: CONFIG })
    expect(plane.requests[0]?.body).toContain(`client_id=${CLIENT_ID}&`)
    await plane.close()
  })

  it('asks for a config when a call names none', async () => {
    const { latchkey } = await setup({}, { config: undefined, env: {} })
    await expect(latchkey.userTools('a')).rejects.toThrow(/LATCHKEY_CONFIG/)
  })

  it('refuses calls once it is closed', async () => {
    const { latchkey } = await setup()
    await latchkey.close()
    await latchkey.close()
    await expect(latchkey.userTools('a')).rejects.toThrow(TypeError)
  })

  it('leaves no socket when it is closed', async () => {
    const { plane, timing, latchkey } = await setup()
    plane.setStatus('a', 'mail', 'ACTIVE')
    await latchkey.userTools('a')
    expect(plane.openSockets).toBeGreaterThan(0)
    await latchkey.close()
    await plane.socketsClosed()
    expect(timing.pending).toBe(0)
  })
})
