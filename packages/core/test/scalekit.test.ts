import { describe, expect, it, onTestFinished } from 'vitest'
import { createLatchkey, scalekit, sharedLatchkey, type LatchkeyOptions, type ScalekitOptions } from '../src/index.ts'
import { ManualTiming } from '../src/testing/index.ts'
import { ScalekitStandIn } from './fixtures/scalekitStandIn.ts'
import { failureOf } from './fixtures/setup.ts'

const TOKENS = /^POST .*\/tokens$/
const ACCOUNTS = /^POST .*cfg_1\/connected_accounts$/

function open(options: ScalekitOptions = {}, latchkeyOptions: LatchkeyOptions = {}) {
  const service = new ScalekitStandIn()
  const timing = new ManualTiming()
  service.clock = () => timing.now()
  const env = environmentOf(service)
  const seams = { env, timing, fetch: service.fetch }
  const backend = scalekit({ ...seams, ...options })
  const latchkey = createLatchkey({ backend, config: service.configName, ...seams, ...latchkeyOptions })
  onTestFinished(() => latchkey.close())
  return { service, timing, backend, latchkey }
}

function environmentOf({ origin, clientId, clientSecret }: ScalekitStandIn) {
  return { SCALEKIT_ENVIRONMENT_URL: origin, SCALEKIT_CLIENT_ID: clientId, SCALEKIT_CLIENT_SECRET: clientSecret }
}

const identityOf = (options: ScalekitOptions) =>
  scalekit({ environmentUrl: 'https://a.example', clientId: 'c', clientSecret: 's', ...options }).identity

describe('scalekit', () => {
  it('is what createLatchkey uses when only its three variables are set', async () => {
    const service = new ScalekitStandIn()
    service.authorize('u1')
    const env = environmentOf(service)
    await using latchkey = createLatchkey({ env, fetch: service.fetch, config: service.configName })
    const { tools } = await latchkey.userTools('u1')
    expect(tools.map(({ name }) => name)).toEqual(['whoami'])
  })

  it.each<[string, LatchkeyOptions]>([
    [
      'LATCHKEY_URL is set',
      { env: { LATCHKEY_URL: 'https://g.example', SCALEKIT_ENVIRONMENT_URL: 'https://s.example' } },
    ],
    ['`url` is given', { url: 'https://g.example', env: { SCALEKIT_ENVIRONMENT_URL: 'https://s.example' } }],
    ['`clientId` is given', { clientId: 'app', env: { SCALEKIT_ENVIRONMENT_URL: 'https://s.example' } }],
  ])('is not used when %s', (_when, options) => {
    expect(() => createLatchkey(options)).toThrow(/LATCHKEY_/)
  })

  it.each(['SCALEKIT_CLIENT_ID', 'SCALEKIT_CLIENT_SECRET'])('names %s when it is missing', (variable) => {
    const env = { ...environmentOf(new ScalekitStandIn()), [variable]: undefined }
    const create = () => createLatchkey({ env })
    expect(create).toThrow(TypeError)
    expect(create).toThrow(variable)
  })

  it('names its own variable when nothing is set', () => {
    expect(() => createLatchkey({ env: {} })).toThrow(/LATCHKEY_URL \(or, for Scalekit, SCALEKIT_ENVIRONMENT_URL\)/)
  })

  it.each(['http://acme.scalekit.dev', 'https://user:pass@acme.scalekit.dev', 'nonsense'])(
    'refuses to send a secret to %s',
    (environmentUrl) => {
      expect(() => scalekit({ environmentUrl, clientId: 'a', clientSecret: 'b' })).toThrow(TypeError)
    },
  )

  it("refuses a credential that it does not know as a caller's mistake", () => {
    // @ts-expect-error -- of a program that is not type-checked
    expect(() => open({ credential: 'token' })).toThrow(/`credential`/)
  })

  it('is another one for another environment, secret or kind of credential', () => {
    const others = [{}, { environmentUrl: 'https://b.example' }, { clientSecret: 't' }, { credential: 'url' as const }]
    expect(new Set(others.map(identityOf)).size).toBe(others.length)
  })

  it('renews a token before it ends, in the middle of a run of 50 calls, unseen', async () => {
    const { service, timing, latchkey } = open()
    service.authorize('u1')
    const { tools } = await latchkey.userTools('u1')
    for (let call = 0; call < 50; call += 1) {
      expect(await tools[0]?.call({})).toMatchObject({ content: [{ text: 'u1' }] })
      timing.advance(5 * 60_000)
    }
    expect(service.toolCalls).toBe(50)
    // 250 minutes, and each token is used for 59 of its 60.
    expect(service.count(TOKENS)).toBe(5)
    expect(service.count(/^POST \/oauth\/token$/)).toBe(1)
  })

  it('asks little: the config once a minute, for all users together', async () => {
    const { service, timing, latchkey } = open()
    for (const user of ['u1', 'u2', 'u3']) {
      service.authorize(user)
      await latchkey.ready(user)
    }
    expect(service.count(/configs\?/)).toBe(1)
    expect([service.count(ACCOUNTS), service.count(TOKENS)]).toEqual([3, 3])
    timing.advance(61_000)
    service.authorize('u4')
    await latchkey.ready('u4')
    expect(service.count(/configs\?/)).toBe(2)
  })

  it('does not take a user for ready of whom the answer leaves connections out', async () => {
    for (const credential of ['session-token', 'url'] as const) {
      const { service, backend, latchkey } = open({ credential })
      service.setStatus('u1', 'gmail', 'ACTIVE')
      const { id } = await latchkey.ensureInstance('u1')
      const states = await backend.getAuthState(id)
      expect(states.map((state) => `${state.connectionName} ${state.status}`)).toEqual([
        'gmail ACTIVE',
        'notion PENDING_AUTH',
      ])
      // In a process that has not ensured it, and so does not know the config.
      const other = scalekit({ env: environmentOf(service), fetch: service.fetch, credential })
      expect(await other.getAuthState(id)).toHaveLength(2)
    }
  })

  it('asks for links once, and polls without', async () => {
    const { service, timing, latchkey } = open()
    const shown = Promise.withResolvers<void>()
    const ready = latchkey.ready('u1', { onAuthorizationRequired: () => shown.resolve() })
    await shown.promise
    await timing.timerOf(5_000)
    timing.advance(5_000)
    await timing.timerOf(7_500)
    service.authorize('u1')
    timing.advance(7_500)
    await ready
    expect(service.links).toBe(1)
  })

  it('says that the environment has no virtual MCP servers, and what to do', async () => {
    const { service, latchkey } = open()
    service.hasServerUrls = false
    const error = await failureOf(latchkey.ready('u1'))
    expect(error.code).toBe('rejected')
    expect(error.message).toContain("credential: 'url'")
  })

  it('gives the URL as the credential when that is chosen, and no token', async () => {
    const { service, latchkey } = open({ credential: 'url' })
    service.authorize('u1')
    const endpoint = await latchkey.ready('u1')
    expect(await endpoint.headers()).toEqual({})
    expect(await latchkey.mcpUrl('u1')).toBe(endpoint.url)
    expect(service.count(TOKENS)).toBe(0)
  })

  it('has no URL that is a credential otherwise', async () => {
    const { latchkey } = open()
    expect((await failureOf(latchkey.mcpUrl('u1'))).message).toContain(
      'Scalekit backend gives no pre-authenticated URLs',
    )
  })

  it('keeps the reason of a refused token when everything is ACTIVE', async () => {
    const { service, backend } = open()
    service.authorize('u1')
    const { instance } = await backend.ensureInstance({ configName: service.configName, userIdentifier: 'u1' })
    service.refuseTokensWith = 'expiry is outside the window'
    const error = await failureOf(backend.createSessionToken!({ instance }))
    expect([error.code, error.message]).toEqual(['rejected', expect.stringContaining('expiry is outside the window')])
    expect(service.links).toBe(0)
  })

  it('does not use a token that says that it is of another user', async () => {
    const { service, backend } = open()
    service.authorize('u1')
    service.tokensFor = 'u2'
    const { instance } = await backend.ensureInstance({ configName: service.configName, userIdentifier: 'u1' })
    expect((await failureOf(backend.createSessionToken!({ instance }))).code).toBe('invalid_response')
  })

  it('finds a config that was deleted and made again', async () => {
    const { service, latchkey } = open()
    service.authorize('u1')
    await latchkey.ready('u1')
    service.configId = 'cfg_2'
    expect((await failureOf(latchkey.ready('u2'))).code).toBe('rejected')
    service.authorize('u2')
    await expect(latchkey.ready('u2')).resolves.toMatchObject({ userIdentifier: 'u2' })
  })

  it('makes links that end at the app, and says who consented', async () => {
    const { service, latchkey } = open()
    const link = await latchkey.createMagicLink('u1', 'gmail', {
      state: 's',
      userVerifyUrl: 'https://app.example/verify',
    })
    expect(link.expiresAt).toEqual(new Date('2026-12-31T23:59:59Z'))
    expect(service.magicLinks).toEqual([
      { connector: 'gmail', identifier: 'u1', state: 's', user_verify_url: 'https://app.example/verify' },
    ])
    await latchkey.verifyUser('u1', 'good')
    expect((await failureOf(latchkey.verifyUser('u1', 'used'))).code).toBe('rejected')
  })

  it.each([
    ['session-token', 0],
    ['url', 1],
  ] as const)('deletes every account of a user, and nobody else, with credential %s', async (credential, instances) => {
    const { service, latchkey } = open({ credential })
    for (const user of ['u1', 'u2']) {
      service.authorize(user)
      service.setStatus(user, 'slack', 'EXPIRED')
      await latchkey.ready(user)
    }
    service.filtersAccounts = false
    const revocation = await latchkey.revokeUser('u1')
    expect(revocation.instancesDeleted).toBe(instances)
    expect(revocation.connectedAccounts).toEqual(
      ['gmail', 'notion', 'slack'].map((connectionName) => ({
        connectionName,
        connectedAccountId: `ca_u1_${connectionName}`,
        upstreamRevocation: 'unknown',
      })),
    )
    expect((await latchkey.revokeUser('u1')).connectedAccounts).toEqual([])
    expect((await failureOf(latchkey.ready('u1'))).code).toBe('authorization_required')
    await expect(latchkey.ready('u2')).resolves.toMatchObject({ userIdentifier: 'u2' })
  })
})

describe('sharedLatchkey', () => {
  it('is another one for another Scalekit environment', async () => {
    const env = environmentOf(new ScalekitStandIn())
    const first = sharedLatchkey({ env })
    const second = sharedLatchkey({ env: { ...env, SCALEKIT_CLIENT_SECRET: 'another' } })
    expect(sharedLatchkey({ env: { ...env } })).toBe(first)
    expect(second).not.toBe(first)
    await first.close()
    await second.close()
  })
})
