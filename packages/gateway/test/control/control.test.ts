import {
  accessTokenResponseSchema,
  authStateSchema,
  configListSchema,
  configSchema,
  connectedAccountsSchema,
  ensuredInstanceSchema,
  errorBodySchema,
  sessionTokenSchema,
} from '@latchkey/core/wire'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { CLIENT_SECRET, openRooms, OPTIONS, START, type Rooms } from './openRooms.ts'

let rooms: Rooms
let accessToken: string
beforeEach(async () => {
  rooms = await openRooms()
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(() => rooms.close())

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await rooms.app.request(path, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as unknown }
}

const get = (path: string) => call('GET', path)
const post = (path: string, body?: unknown) => call('POST', path, body)
const configId = async (name: string) => (await rooms.configs.requireByName(name)).id

const form = (fields: Record<string, string> | string, headers: Record<string, string> = {}) =>
  rooms.app.request('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
  })
const basic = (id: string, secret: string) => ({
  Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
})
const connectionId = (name: string) => rooms.registry.connectionByName(name)?.id
const namesOf = async (query: string) =>
  configListSchema.parse((await get(`/api/v1/mcp/configs?${query}`)).json).configs.map(({ name }) => name)
const authState = async (id: string, body?: unknown) =>
  authStateSchema.parse((await post(`/api/v1/mcp/instances/${id}:get_auth_state`, body)).json).connections
const tokens = async (config: string, body: Record<string, unknown>) =>
  await post(`/api/v1/mcp/configs/${await configId(config)}/tokens`, { identifier: 'u', ...body })

async function ensure(user: string, extra: Record<string, unknown> = {}, config = 'email-agent') {
  const { json } = await post('/api/v1/mcp/instances', { config_name: config, user_identifier: user, ...extra })
  return ensuredInstanceSchema.parse(json)
}

describe('POST /oauth/token', () => {
  const grant = { grant_type: 'client_credentials' }

  it('gives a token that opens the API, for the secret in the form and for Basic', async () => {
    const inForm = await form({ ...grant, client_id: 'app', client_secret: CLIENT_SECRET })
    const asBasic = await form(grant, basic('app', CLIENT_SECRET))
    for (const response of [inForm, asBasic]) {
      expect(response.status).toBe(200)
      expect(response.headers.get('Cache-Control')).toBe('no-store')
      const token = accessTokenResponseSchema.parse(await response.json())
      expect(token).toMatchObject({ token_type: 'Bearer', expires_in: 3_600 })
      accessToken = token.access_token
      expect((await get('/api/v1/mcp/configs')).status).toBe(200)
    }
  })

  it('decodes what RFC 6749 encodes in Basic credentials', async () => {
    const clients = [{ clientId: 'app:1 ü', clientSecret: 'a+b c%&=:' }]
    const odd = await openRooms({ ...OPTIONS, clients: [{ ...clients[0], clientId: 'app:1' }] as typeof clients })
    const encoded = basic('app%3A1', 'a%2Bb+c%25%26%3D%3A')
    const response = await odd.app.request('/oauth/token', {
      method: 'POST',
      body: 'grant_type=client_credentials',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...encoded },
    })
    expect(response.status).toBe(200)
    await odd.close()
  })

  it.each([
    ['a wrong secret', { client_id: 'app', client_secret: 'wrong' }],
    ['a secret that is cut', { client_id: 'app', client_secret: CLIENT_SECRET.slice(0, -1) }],
    ["another client's secret", { client_id: 'app', client_secret: 'another-secret' }],
    ['an unknown client', { client_id: 'nobody', client_secret: CLIENT_SECRET }],
    ['no secret', { client_id: 'app', client_secret: '' }],
    ['a client id of the prototype', { client_id: '__proto__', client_secret: '' }],
  ])('refuses %s, every time in the same words', async (_, credentials) => {
    const response = await form({ ...grant, ...credentials })
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Basic realm="latchkey"')
    expect(await response.json()).toEqual({
      error: 'invalid_client',
      error_description: 'The client id or the client secret is wrong.',
      code: 'UNAUTHENTICATED',
      message: 'The client id or the client secret is wrong.',
      details: [{ error_code: 'invalid_client' }],
    })
  })

  it('refuses another grant, credentials given twice, fields given twice, and what is no form', async () => {
    const credentials = { client_id: 'app', client_secret: CLIENT_SECRET }
    const refusals = [
      [await form({ ...credentials, grant_type: 'password' }), 'unsupported_grant_type'],
      [await form({ ...grant, ...credentials }, basic('app', CLIENT_SECRET)), 'invalid_request'],
      [await form('grant_type=client_credentials&client_id=app&client_id=other'), 'invalid_request'],
      [await form(grant, { Authorization: 'Basic ???' }), 'invalid_request'],
      [await form({ ...grant, ...credentials }, { 'Content-Type': 'application/json' }), 'invalid_request'],
    ] as const
    for (const [response, error] of refusals) {
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error })
    }
  })
})

describe('GET /keys', () => {
  it('gives the public keys to anybody', async () => {
    const response = await rooms.app.request('/keys')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ keys: rooms.keys.jwks().keys })
  })
})

describe('the access token', () => {
  it('T4: is asked for on every path below /api, and every refusal looks the same', async () => {
    const expired = accessToken
    rooms.advance(3_600_000)
    const { token: ofNobody } = await rooms.keys.signAccessToken('removed-client')
    const headers: Record<string, string>[] = [
      {},
      { Authorization: 'Bearer' },
      { Authorization: `Basic ${expired}` },
      { Authorization: 'Bearer x' },
    ]
    const withTokens = [expired, ofNobody.reveal()].map((token) => ({ Authorization: `Bearer ${token}` }))
    const bodies = new Set<string>()
    for (const path of ['/api/v1/mcp/configs', '/api/v1/mcp/instances/ins_1', '/api/v1/events', '/api/v1/nothing']) {
      for (const header of [...headers, ...withTokens]) {
        const response = await rooms.app.request(path, { headers: header })
        expect(response.status).toBe(401)
        expect(response.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"')
        bodies.add(await response.text())
      }
    }
    expect(bodies.size).toBe(1)
    expect(errorBodySchema.parse(JSON.parse([...bodies].join('')))).toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('is not one of its own session tokens', async () => {
    const claims = { userIdentifier: 'app', configId: 'c', audience: 'https://latchkey.example/api', tools: undefined }
    const { token } = await rooms.keys.signSessionToken({ ...claims, connectedAccountIds: [], epoch: 0 }, 60)
    accessToken = token.reveal()
    expect((await get('/api/v1/mcp/configs')).status).toBe(401)
  })
})

describe('/api/v1/mcp/configs', () => {
  const mapping = { connection_name: 'mail', tools: ['read_mail'] }

  it('creates a config that can be fetched and used like those of the configuration file', async () => {
    const mappings = [mapping, { connection_name: 'docs' }, { connection_name: 'search', tools: [] }]
    const created = await post('/api/v1/mcp/configs', {
      name: 'Mine',
      description: 'Reads mail',
      connection_tool_mappings: mappings,
      unknown_field: 1,
    })
    expect(created.status).toBe(201)
    const { config } = z.object({ config: configSchema }).parse(created.json)
    const { id, ...rest } = config
    expect(rest).toEqual({
      name: 'Mine',
      description: 'Reads mail',
      mcp_server_url: `https://latchkey.example/mcp/${id}`,
      connection_tool_mappings: [
        { connection_id: connectionId('mail'), connection_name: 'mail', provider: 'acme-mail', tools: ['read_mail'] },
        { connection_id: connectionId('docs'), connection_name: 'docs', provider: 'docs' },
        { connection_id: connectionId('search'), connection_name: 'search', provider: 'search' },
      ],
    })
    expect((await get(`/api/v1/mcp/configs/${id}`)).json).toEqual({ config })
    expect((await ensure('u', {}, 'Mine')).instance.config).toEqual(config)
  })

  it.each([
    ['no name', { connection_tool_mappings: [mapping] }, /^name: /],
    ['a name that is too long', { name: 'a'.repeat(101), connection_tool_mappings: [mapping] }, /^name: /],
    [
      'control characters in the name',
      { name: 'a\nb', connection_tool_mappings: [mapping] },
      /^name: contains control/,
    ],
    ['no connection', { name: 'a', connection_tool_mappings: [] }, /^connection_tool_mappings: /],
    [
      'an unknown connection',
      { name: 'a', connection_tool_mappings: [{ connection_name: '__proto__' }] },
      /there is no connection named "__proto__"\. The known ones are: mail, search, docs\.$/,
    ],
    ['a connection twice', { name: 'a', connection_tool_mappings: [mapping, mapping] }, /the same connection twice/],
    [
      'a tool twice',
      { name: 'a', connection_tool_mappings: [{ ...mapping, tools: ['x', 'x'] }] },
      /repeats a tool of "mail"/,
    ],
    ['a body that is not JSON', '{"name": canary', /^The body is not JSON\.$/],
    ['a body that is a list', [], /^the body: /],
  ])('refuses %s', async (_, body, message) => {
    const { status, json } = await post('/api/v1/mcp/configs', body)
    expect(status).toBe(400)
    expect(json).toEqual({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
      details: [{ error_code: 'invalid_request' }],
    })
  })

  it('refuses a name that is taken', async () => {
    const { status, json } = await post('/api/v1/mcp/configs', { name: 'reader', connection_tool_mappings: [mapping] })
    expect([status, json]).toMatchObject([
      409,
      { code: 'ALREADY_EXISTS', message: expect.stringContaining('"reader"') },
    ])
  })

  it('refuses a body that is too large', async () => {
    const { status, json } = await post('/api/v1/mcp/configs', { name: 'a', description: 'x'.repeat(300_000) })
    expect([status, json]).toMatchObject([413, { details: [{ error_code: 'too_large' }] }])
  })

  it('lists page by page, and a config made meanwhile neither repeats nor hides another', async () => {
    const first = configListSchema.parse((await get('/api/v1/mcp/configs?page_size=2')).json)
    expect(first.configs.map(({ name }) => name)).toEqual(['email-agent', 'reader'])
    expect(first.total_size).toBe(3)
    await post('/api/v1/mcp/configs', { name: 'a-new-one', connection_tool_mappings: [mapping] })
    const path = `/api/v1/mcp/configs?page_size=2&page_token=${first.next_page_token}`
    const second = configListSchema.parse((await get(path)).json)
    expect(second.configs.map(({ name }) => name)).toEqual(['search-agent'])
    expect(second).not.toHaveProperty('next_page_token')
  })

  it('filters by id, by URL, by the beginning of the name and by words', async () => {
    const id = await configId('reader')
    expect(await namesOf(`filter.id=${id}`)).toEqual(['reader'])
    expect(await namesOf(`filter.mcp_server_url=https://latchkey.example/mcp/${id}`)).toEqual(['reader'])
    expect(await namesOf('filter.mcp_server_url=https://elsewhere.example/mcp/x')).toEqual([])
    expect(await namesOf('filter.name=EMAIL')).toEqual(['email-agent'])
    expect(await namesOf('filter.provider=acme-mail')).toEqual(['email-agent'])
    expect(await namesOf('filter.provider=docs')).toEqual(['email-agent', 'reader'])
    expect(await namesOf('filter.provider=nobody')).toEqual([])
    expect(await namesOf('search=agent')).toEqual(['email-agent', 'search-agent'])
  })

  it.each([
    'filter.name=ab',
    'page_size=0',
    'page_size=31',
    'page_size=x',
    'page_token=canary',
    'page_token=WyJjYW5hcnkiXQ',
  ])('refuses the query %s', async (query) => {
    const { status, text } = await get(`/api/v1/mcp/configs?${query}`)
    expect(status).toBe(400)
    expect(text).not.toContain('canary')
  })

  it('answers 404 for an unknown id', async () => {
    for (const id of ['cfg_none', '__proto__', '%2F']) {
      expect((await get(`/api/v1/mcp/configs/${id}`)).status).toBe(404)
    }
  })
})

describe('POST /api/v1/mcp/instances', () => {
  it('gives the same instance and URL every time, and nothing that was not asked for', async () => {
    const first = await ensure('user_123', { name: 'My agent' })
    expect(first).toEqual({
      instance: {
        id: expect.stringMatching(/^ins_/),
        name: 'My agent',
        user_identifier: 'user_123',
        config: expect.objectContaining({ id: await configId('email-agent'), name: 'email-agent' }),
        url: expect.stringMatching(/^https:\/\/latchkey\.example\/mcp\/lkurl_/),
        updated_at: new Date(START).toISOString(),
      },
    })
    rooms.advance(5_000)
    expect(await ensure('user_123')).toEqual(first)
    expect((await get(`/api/v1/mcp/instances/${first.instance.id}`)).json).toEqual(first)
  })

  it('T70: gives 1,000 concurrent callers one instance and one URL', async () => {
    const all = await Promise.all(Array.from({ length: 1_000 }, () => ensure('user_123')))
    expect(new Set(all.map(({ instance }) => `${instance.id} ${instance.url}`)).size).toBe(1)
  })

  it('T13: gives awkward users instances and URLs of their own', async () => {
    const users = ['a', 'A', 'a ', 'a:b', 'a:b:c', '__proto__', 'constructor', 'toString', 'é', '🗝️', 'x'.repeat(255)]
    const all = await Promise.all(users.map((user) => ensure(user)))
    expect(all.map(({ instance }) => instance.user_identifier)).toEqual(users)
    expect(new Set(all.map(({ instance }) => instance.url)).size).toBe(users.length)
    expect({}).not.toHaveProperty('id')
  })

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['with a control character', 'a\u0000b'],
    ['with a line break', 'a\nb'],
    ['decomposed', 'e\u0301'],
    ['with half a character', '\ud800'],
    ['a number', 7],
    ['missing', undefined],
  ])('refuses a user identifier that is %s', async (_, user) => {
    const { status, json } = await post('/api/v1/mcp/instances', { config_name: 'reader', user_identifier: user })
    expect(status).toBe(400)
    expect(json).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/^user_identifier: /) })
  })

  it('names the known configs where there is none of that name', async () => {
    const { status, json } = await post('/api/v1/mcp/instances', { config_name: 'emial', user_identifier: 'u' })
    expect(status).toBe(404)
    expect(json).toEqual({
      code: 'NOT_FOUND',
      message: 'There is no MCP config named "emial". The known ones are: email-agent, reader, search-agent.',
      details: [{ error_code: 'not_found' }],
    })
  })

  it('answers the auth state and the discovery in the same round trip, and no token while an account is pending', async () => {
    const answer = await ensure('u', { include_auth_state: true, include_session_token: true })
    expect(answer.auth_state?.connections).toMatchObject([
      { connection_name: 'mail', connected_account_status: 'PENDING_AUTH' },
      { connection_name: 'docs', connected_account_status: 'ACTIVE' },
    ])
    expect(answer.auth_state?.connections[0]).not.toHaveProperty('authentication_link')
    expect(answer).not.toHaveProperty('session_token')
    expect(answer.discover_result).toEqual({ supportedVersions: ['2026-07-28'] })
  })

  it('answers a session token too once every account is ACTIVE', async () => {
    const extras = { include_session_token: true, session_token_expiry: '90s' }
    const { session_token: token, auth_state: state } = await ensure('u', extras, 'reader')
    expect(state).toBeUndefined()
    expect(token?.expires_at).toBe(new Date(START + 90_000).toISOString())
    const audience = `https://latchkey.example/mcp/${await configId('reader')}`
    const claims = await rooms.keys.verifySessionToken(token?.token ?? '', audience)
    expect(claims).toMatchObject({ userIdentifier: 'u', configId: await configId('reader'), tools: undefined })
  })
})

describe('POST /api/v1/mcp/instances/{id}:get_auth_state', () => {
  it('gives links for what the user still has to connect, and only when it is asked to', async () => {
    const { instance } = await ensure('u')
    expect(await authState(instance.id)).toEqual(await authState(instance.id, { include_auth_links: false }))
    expect((await authState(instance.id)).some((state) => 'authentication_link' in state)).toBe(false)
    const [mail, docs] = await authState(instance.id, { include_auth_links: true })
    expect(mail).toEqual({
      connection_id: rooms.registry.connectionByName('mail')?.id,
      connection_name: 'mail',
      provider: 'acme-mail',
      connected_account_id: expect.stringMatching(/^ca_/),
      connected_account_status: 'PENDING_AUTH',
      authentication_link: expect.stringMatching(/^https:\/\/latchkey\.example\/connect\/lklink_/),
      authentication_link_expires_at: new Date(START + 600_000).toISOString(),
    })
    expect(docs).not.toHaveProperty('authentication_link')
  })

  it('says ACTIVE once the user has consented, and EXPIRED, with a new link, when the grant is gone', async () => {
    const { instance } = await ensure('u')
    const [pending] = await authState(instance.id, { include_auth_links: true })
    await rooms.connect(pending?.authentication_link ?? '')
    const [active] = await authState(instance.id, { include_auth_links: true })
    expect(active).toMatchObject({ connected_account_status: 'ACTIVE' })
    expect(active).not.toHaveProperty('authentication_link')
    await rooms.accounts.setStatus(await rooms.accountOf('email-agent', 'u', 'mail'), 'EXPIRED')
    const [expired] = await authState(instance.id, { include_auth_links: true })
    expect(expired).toMatchObject({
      connected_account_status: 'EXPIRED',
      authentication_link: expect.not.stringMatching(pending?.authentication_link ?? ''),
    })
  })

  it('takes the colon percent-encoded, and answers 404 for other verbs and instances', async () => {
    const { instance } = await ensure('u')
    expect((await post(`/api/v1/mcp/instances/${instance.id}%3Aget_auth_state`)).status).toBe(200)
    for (const path of [`${instance.id}:other`, 'ins_none:get_auth_state', ':get_auth_state']) {
      expect(
        (
          await rooms.app.request(`/api/v1/mcp/instances/${path}`, {
            method: 'POST',
            headers: { Authorization: `Bearer ${accessToken}` },
          })
        ).status,
      ).toBe(404)
    }
  })
})

describe('POST /api/v1/mcp/configs/{id}/connected_accounts', () => {
  it('gives the accounts of that user, the same as the auth state of the instance', async () => {
    const path = `/api/v1/mcp/configs/${await configId('email-agent')}/connected_accounts`
    const { json } = await post(path, { identifier: 'u' })
    const { connected_accounts: accounts } = connectedAccountsSchema.parse(json)
    const { auth_state: state } = await ensure('u', { include_auth_state: true })
    expect(accounts).toEqual(state?.connections)
    const linked = connectedAccountsSchema.parse((await post(path, { identifier: 'u', include_auth_link: true })).json)
    expect(linked.connected_accounts.map((account) => 'authentication_link' in account)).toEqual([true, false])
  })
})

describe('POST /api/v1/mcp/configs/{id}/tokens', () => {
  it('is refused while an account is not ACTIVE, naming the connection and its status', async () => {
    const { status, json } = await tokens('email-agent', {})
    expect(status).toBe(400)
    expect(json).toEqual({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('"mail" (PENDING_AUTH)'),
      details: [{ error_code: 'precondition' }],
    })
  })

  it('binds the token to the user, the config and the accounts, for an hour', async () => {
    const account = await rooms.accountOf('reader', 'u', 'docs')
    const answer = sessionTokenSchema.parse((await tokens('reader', {})).json)
    expect(answer.expires_at).toBe(new Date(START + 3_600_000).toISOString())
    expect(decodeJwt(answer.token)).toMatchObject({
      sub: 'u',
      aud: `https://latchkey.example/mcp/${await configId('reader')}`,
      mcp_cfg: await configId('reader'),
      ca_ids: [account.id],
    })
  })

  it('narrows it to the tools that are asked for', async () => {
    const { token } = sessionTokenSchema.parse((await tokens('reader', { tools: ['read'] })).json)
    expect(decodeJwt(token)).toMatchObject({ tools: ['read'] })
  })

  it.each(['59s', '86401s', '0s', '60', '-60s', '1h', '60.5s'])('refuses the expiry %s', async (expiry) => {
    const { status, json } = await tokens('reader', { expiry })
    expect([status, json]).toMatchObject([400, { message: expect.stringMatching(/^expiry: /) }])
  })

  it.each([
    ['60s', 60],
    ['86400s', 86_400],
  ])('takes the expiry %s', async (expiry, seconds) => {
    const answer = sessionTokenSchema.parse((await tokens('reader', { expiry })).json)
    expect(Date.parse(answer.expires_at)).toBe(START + seconds * 1_000)
  })

  it("is not made ready by another user's consent", async () => {
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('search-agent', 'v', 'search'))
    await rooms.connect(url.reveal())
    const path = `/api/v1/mcp/configs/${await configId('search-agent')}/tokens`
    expect((await post(path, { identifier: 'v' })).status).toBe(200)
    expect((await post(path, { identifier: 'u' })).status).toBe(400)
  })
})

describe('every answer below /api', () => {
  it('is kept by no cache', async () => {
    const { instance } = await ensure('u')
    for (const path of ['/api/v1/mcp/configs', `/api/v1/mcp/instances/${instance.id}`, '/api/v1/mcp/configs/none']) {
      expect((await get(path)).headers.get('Cache-Control')).toBe('no-store')
    }
  })
})
