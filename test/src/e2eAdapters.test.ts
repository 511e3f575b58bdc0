import { createLatchkey, LatchkeyError, type Latchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  canaryOf,
  consentAs,
  type DirectoryServer,
  type LegacyServer,
  type RunningGateway,
  startAuthorizationServer,
  startDirectoryServer,
  startGateway,
  startLegacyServer,
  startMailServer,
  type Upstream,
} from './fixtures/index.ts'
import { CALLERS } from './fixtures/agents/callers.ts'

const MAIL = { to: 'x@y.example', subject: 's', body: 'b' }

describe.each(CALLERS)('%s behind one gateway, before upstreams of both eras', (adapter, load) => {
  let authorizationServer: AuthorizationServer
  let legacy: LegacyServer
  let modern: Upstream
  let directory: DirectoryServer
  let gateway: RunningGateway
  let latchkey: Latchkey
  const stack = new AsyncDisposableStack()
  beforeAll(async () => {
    authorizationServer = stack.use(await startAuthorizationServer())
    legacy = stack.use(await startLegacyServer(authorizationServer))
    modern = stack.use(await startMailServer(authorizationServer))
    directory = stack.use(await startDirectoryServer())
    gateway = stack.use(
      await startGateway({
        connections: {
          old: { mcpServerUrl: legacy.url, auth: { type: 'oauth2' } },
          new: { mcpServerUrl: modern.url, auth: { type: 'oauth2' } },
          people: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } },
        },
        configs: { agent: { old: ['whoami', 'send_mail'], new: ['whoami', 'send_mail'], people: ['whoami'] } },
      }),
    )
    const { url, clientId, clientSecret } = gateway
    latchkey = stack.use(createLatchkey({ url, clientId, clientSecret, config: 'agent' }))
  })
  afterAll(async () => await stack.disposeAsync())

  /** Each test has its own user, and each adapter too. Gives the API key that the user typed. */
  async function connect(user: string): Promise<string> {
    const { id } = await latchkey.ensureInstance(user)
    const apiKey = directory.keys.issue(user)
    for (const { authenticationLink = '' } of await latchkey.getAuthState(id, { includeAuthLinks: true })) {
      await consentAs(user, authenticationLink, { apiKey })
    }
    return apiKey
  }
  const named = (user: string) => `${user} of ${adapter}`

  it('gives the tools of all of them, each with its own data of this user', async () => {
    const user = named('ann')
    await connect(user)
    const { names, call } = await load(latchkey, user)
    expect(names).toEqual(['old__send_mail', 'old__whoami', 'new__send_mail', 'new__whoami', 'people__whoami'])
    const [old, recent, people] = await Promise.all(
      ['old__whoami', 'new__whoami', 'people__whoami'].map(async (name) => await call(name)),
    )
    expect(old?.text).toContain(canaryOf('mail', user))
    expect(recent?.text).toContain(canaryOf('mail', user))
    expect(people?.text).toContain(canaryOf('directory', user))
  })

  it('executes a call once when the 2025 server has forgotten its sessions', async () => {
    const user = named('bob')
    await connect(user)
    const { call } = await load(latchkey, user)
    await call('old__whoami')
    await legacy.sessions.forgetSessions()
    expect((await call('old__send_mail', MAIL)).error).toBeUndefined()
    expect(legacy.calls.count(user, 'send_mail')).toBe(1)
  })

  it.each([
    ['old', 'a server of 2025'],
    ['new', 'a server of 2026'],
  ])(
    'gives one typed error with a fresh link when the grant of %s, %s, is taken back in the middle of a run',
    async (connection) => {
      const user = named(`carol ${connection}`)
      const upstream = connection === 'old' ? legacy : modern
      await connect(user)
      const { call } = await load(latchkey, user)
      await call(`${connection}__whoami`)
      authorizationServer.revokeUser(user)

      const { error, text } = await call(`${connection}__send_mail`, MAIL)
      const link = linkOf(error, connection)
      expect(text).toContain(connection)
      expect(text).not.toContain('/connect/')
      expect(upstream.calls.count(user, 'send_mail')).toBe(0)

      expect((await consentAs(user, link)).text).toContain('is connected')
      expect((await call(`${connection}__send_mail`, MAIL)).error).toBeUndefined()
      expect(upstream.calls.count(user, 'send_mail')).toBe(1)
    },
  )

  it('gives one typed error with a fresh link when the upstream no longer takes the API key in the middle of a run', async () => {
    const user = named('dave')
    const apiKey = await connect(user)
    const { call } = await load(latchkey, user)
    directory.keys.revoke(apiKey)
    const link = linkOf((await call('people__whoami')).error, 'people')
    const page = await consentAs(user, link, { apiKey: directory.keys.issue(user) })
    expect(page.text).toContain('is connected')
    expect((await call('people__whoami')).text).toContain(canaryOf('directory', user))
  })

  it('gives that error instead of fewer tools when a credential turns out to be refused as the tools are listed', async () => {
    const user = named('frank')
    directory.keys.revoke(await connect(user))
    // The second time nothing may be remembered of the list that was too short.
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const error: unknown = await load(latchkey, user).catch((failure: unknown) => failure)
      expect(linkOf(error, 'people')).toContain(gateway.url)
    }
  })

  it.each([
    ['answers HTML', () => ({ status: 200 })],
    ['fails', () => ({ status: 503 })],
    ['redirects', () => ({ status: 302 })],
    ['answers nonsense', () => ({ status: 200, contentType: 'application/json', body: '{"jsonrpc":"2.0","id":' })],
  ])('says which call failed, once, and works again after, when an upstream %s', async (what, failure) => {
    const user = named(`erin ${what}`)
    await connect(user)
    const { call } = await load(latchkey, user)
    modern.faults.failNext({ user, tool: 'send_mail', ...failure() })
    const { error, text } = await call('new__send_mail', MAIL)
    expect(error).toBeInstanceOf(LatchkeyError)
    expect(text).toContain('new__send_mail')
    expect(text).not.toMatch(/<h1>|Something broke/)
    expect(modern.calls.count(user, 'send_mail')).toBe(0)
    expect((await call('new__whoami')).text).toContain(canaryOf('mail', user))
  })
})

function linkOf(error: unknown, connection: string): string {
  expect(error).toMatchObject({ name: 'LatchkeyError', code: 'authorization_required' })
  const connections = error instanceof LatchkeyError ? error.connections : []
  expect(connections.map(({ connectionName }) => connectionName)).toEqual([connection])
  return connections[0]?.authenticationLink ?? ''
}
