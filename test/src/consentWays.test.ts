import { createLatchkey, LatchkeyError, type Latchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CALLERS, type Call } from './fixtures/agents/callers.ts'
import {
  type AuthorizationServer,
  consentAs,
  type RunningGateway,
  startAuthorizationServer,
  startGateway,
  startLegacyServer,
  startMailServer,
  type Upstream,
} from './fixtures/index.ts'

const MAIL = { to: 'x@y.example', subject: 's', body: 'b' }
const OWN_LINK = 'https://provider.example/elicit/secret-link'
const ERAS = ['2025-11-25', '2026-07-28'] as const
type Era = (typeof ERAS)[number]

interface Given {
  readonly era: Era
  readonly user: string
  readonly config: string
  readonly upstream: Upstream
  readonly latchkey: Latchkey
  /** The user's tools, in the framework. */
  readonly load: () => Promise<{ call: Call }>
  /** Does what the user has to do once, at the beginning. */
  readonly connect: () => Promise<void>
  readonly revokeGrant: () => void
}

/** How it comes that consent is needed; gives what fails for want of it. */
type Way = (given: Given) => Promise<unknown>

const send = async ({ load }: Given, before: () => void = () => {}) => {
  const { call } = await load()
  before()
  return (await call('send_mail', MAIL)).error
}

const WAYS: Record<string, Way> = {
  'the user has connected nothing yet': ({ load }) => load().catch((error: unknown) => error),
  'the upstream answers 401 to the call': async (given) => {
    await given.connect()
    return await send(given, given.revokeGrant)
  },
  'the account is EXPIRED when the call comes': async (given) => {
    await given.connect()
    const { call } = await given.load()
    given.revokeGrant()
    await call('send_mail', MAIL)
    return (await call('send_mail', MAIL)).error
  },
  'the upstream answers 401 as its tools are listed': async (given) => {
    await given.connect()
    given.revokeGrant()
    return await given.load().catch((error: unknown) => error)
  },
  'the account is EXPIRED when the tools are asked for': async (given) => {
    await given.connect()
    await send(given, given.revokeGrant)
    return await given.load().catch((error: unknown) => error)
  },
  'the upstream answers 403 insufficient_scope to the call': async (given) => {
    await given.connect()
    const challenge = 'Bearer error="insufficient_scope", scope="mail.admin"'
    const { user, upstream } = given
    return await send(given, () => upstream.faults.failNext({ user, tool: 'send_mail', status: 403, challenge }))
  },
  'the upstream asks for a URL to be opened': async (given) => {
    await given.connect()
    const { user, upstream, era } = given
    const body = (id: string | number) => JSON.stringify(asksToOpen(id, era))
    const asks = { user, tool: 'send_mail', status: 200, contentType: 'application/json', body }
    return await send(given, () => upstream.faults.failNext(asks))
  },
  'the account is EXPIRED as `ready` asks': async (given) => {
    await given.connect()
    await send(given, given.revokeGrant)
    const { user, latchkey, config } = given
    return await latchkey.ready(user, { config }).catch((error: unknown) => error)
  },
}

/** What an MCP server of that era answers to a call, to have its user open a page of its own. */
function asksToOpen(id: string | number, era: Era) {
  const params = { mode: 'url', url: OWN_LINK, message: 'Allow it', elicitationId: 'e1' }
  if (era === '2025-11-25')
    return { jsonrpc: '2.0', id, error: { code: -32_042, message: 'needs it', data: { elicitations: [params] } } }
  const inputRequests = { allow: { method: 'elicitation/create', params } }
  return { jsonrpc: '2.0', id, result: { resultType: 'input_required', inputRequests, requestState: 's' } }
}

describe.each(CALLERS.slice(0, 2))('a call of %s that needs consent', (adapter, loadTools) => {
  const stack = new AsyncDisposableStack()
  let authorizationServer: AuthorizationServer
  let upstreams: Record<Era, Upstream>
  let gateway: RunningGateway
  let latchkey: Latchkey
  beforeAll(async () => {
    authorizationServer = stack.use(await startAuthorizationServer())
    upstreams = {
      '2025-11-25': stack.use(await startLegacyServer(authorizationServer)),
      '2026-07-28': stack.use(await startMailServer(authorizationServer)),
    }
    const tools = ['send_mail', 'whoami']
    gateway = stack.use(
      await startGateway({
        connections: {
          old: { mcpServerUrl: upstreams['2025-11-25'].url, auth: { type: 'oauth2' } },
          new: { mcpServerUrl: upstreams['2026-07-28'].url, auth: { type: 'oauth2' } },
        },
        configs: { '2025-11-25': { old: tools }, '2026-07-28': { new: tools } },
      }),
    )
    const { url, clientId, clientSecret } = gateway
    latchkey = stack.use(createLatchkey({ url, clientId, clientSecret }))
  })
  afterAll(async () => await stack.disposeAsync())

  const ways = ERAS.flatMap((era) => Object.keys(WAYS).map((way) => [era, way] as const))
  it.each(ways)('gives one typed error with a link, before a server of %s, when %s', async (era, way) => {
    const user = `${way}, ${era}, ${adapter}`
    const upstream = upstreams[era]
    const given = {
      era,
      user,
      upstream,
      config: era,
      latchkey,
      load: async () =>
        await loadTools({ userTools: async (...[of]) => await latchkey.userTools(of, { config: era }) }, user),
      connect: async () => await connect(user, era),
      revokeGrant: () => authorizationServer.revokeUser(user),
    }
    const error = await WAYS[way]?.(given)
    expect(error).toBeInstanceOf(LatchkeyError)
    expect(error).toMatchObject({ name: 'LatchkeyError', code: 'authorization_required' })
    const { connections, message } = error instanceof LatchkeyError ? error : new LatchkeyError('rejected', '')
    const [connection] = connections
    expect(connections.map(({ connectionName }) => connectionName)).toEqual([era === '2025-11-25' ? 'old' : 'new'])
    const isOwn = way === 'the upstream asks for a URL to be opened'
    expect(connection?.authenticationLink).toMatch(isOwn ? OWN_LINK : new RegExp(`^${gateway.url}/`))
    expect(message).not.toMatch(/https?:/)
    expect(JSON.stringify(error)).not.toMatch(/https?:/)
    expect(upstream.calls.count(user, 'send_mail')).toBe(0)
  })

  it('says that it is unauthorized, and asks for no consent, when the user was revoked meanwhile', async () => {
    const [user, config] = [`revoked, ${adapter}`, '2026-07-28'] as const
    await connect(user, config)
    const userTools = () => latchkey.userTools(user, { config })
    const { call } = await loadTools({ userTools }, user)
    await latchkey.revokeUser(user)
    expect((await call('send_mail', MAIL)).error).toMatchObject({ code: 'unauthorized', connections: [] })
    expect(upstreams[config].calls.count(user, 'send_mail')).toBe(0)
  })

  async function connect(user: string, config: string): Promise<void> {
    const { id } = await latchkey.ensureInstance(user, { config })
    for (const { authenticationLink = '' } of await latchkey.getAuthState(id, { includeAuthLinks: true }))
      await consentAs(user, authenticationLink)
  }
})
