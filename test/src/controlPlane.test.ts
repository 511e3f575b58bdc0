import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { listen, startGateway, startPostgres, type PostgresServer } from './fixtures/index.ts'

const TOOLS = ['read', 'search', 'write'].map((name) => ({ name, inputSchema: { type: 'object' } }))
const UPSTREAM_RESULTS: Readonly<Record<string, unknown>> = {
  'server/discover': {
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {} },
    ttlMs: 0,
    cacheScope: 'private',
  },
}

const messageSchema = z.object({ id: z.unknown(), method: z.string() })
const schemaSchema = z.record(z.string(), z.unknown())
const documentSchema = z.object({
  components: z.object({ schemas: z.record(z.string(), schemaSchema) }),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        operationId: z.string(),
        responses: z.record(
          z.string(),
          z.object({ content: z.record(z.string(), z.object({ schema: schemaSchema })).optional() }),
        ),
      }),
    ),
  ),
})

/** An MCP server that needs no authorization and has three tools. */
async function startOpenUpstream() {
  const changes = { description: 'As ever' }
  const { origin, close } = await listen(async (request) => {
    const { id, method } = messageSchema.parse(await request.json())
    const known = method === 'tools/list' ? listOf(changes) : UPSTREAM_RESULTS[method]
    const result = typeof known === 'object' ? { resultType: 'complete', ...known } : {}
    return Response.json({ jsonrpc: '2.0', id, result })
  })
  return { url: `${origin}/mcp`, changes, [Symbol.asyncDispose]: close }
}

function listOf({ description }: { description: string }) {
  return { tools: TOOLS.map((tool) => ({ ...tool, description })), ttlMs: 0, cacheScope: 'private' }
}

/** A gateway that listens, and its API with an access token. */
async function startControlPlane(stack: AsyncDisposableStack, shared: object) {
  const upstream = stack.use(await startOpenUpstream())
  const gateway = stack.use(
    await startGateway({
      ...shared,
      connections: {
        docs: { mcpServerUrl: upstream.url, auth: { type: 'none' } },
        search: { mcpServerUrl: upstream.url, auth: { type: 'api_key', header: 'X-Api-Key' } },
      },
      configs: { 'from-the-file': { docs: '*' } },
    }),
  )
  const document = documentSchema.parse(await (await fetch(`${gateway.url}/openapi.json`)).json())
  const visited = new Map<string, number[]>()
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: gateway.clientId,
    client_secret: gateway.clientSecret,
  })
  let bearer = ''
  const granted = await call('post', '/oauth/token', {}, { form })
  bearer = `Bearer ${z.object({ access_token: z.string() }).parse(granted).access_token}`

  /** Calls an operation of the document by its path, checks the answer against the schema of its status, and gives it. */
  async function call(
    method: string,
    template: string,
    ids: Readonly<Record<string, string>> = {},
    { body, query = '', form: fields, expected }: CallOptions = {},
  ): Promise<unknown> {
    const operation = document.paths[template]?.[method]
    if (operation === undefined) throw new TypeError(`The document has no ${method} ${template}`)
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '')
    const response = await fetch(`${gateway.url}${path}${query}`, {
      method: method.toUpperCase(),
      headers: { authorization: bearer, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(fields !== undefined && { body: fields, headers: {} }),
    })
    visited.set(operation.operationId, [...(visited.get(operation.operationId) ?? []), response.status])
    const told = operation.responses[response.status] ?? operation.responses['default']
    expect(told, `${operation.operationId} answers ${response.status}`).toBeDefined()
    const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(told?.content ?? {})
    expect(response.headers.get('content-type')).toMatch(type)
    if (type === 'text/event-stream') return response
    const json: unknown = await response.json()
    expect([expected ?? response.ok, json]).toEqual([expected === undefined ? true : response.status, json])
    return fromDocument(schema).parse(json)
  }

  function fromDocument(schema: Record<string, unknown>): z.ZodType {
    const text = JSON.stringify({ ...schema, $defs: document.components.schemas })
    return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')))
  }

  return { call, visited, document, gateway, upstream, authorization: bearer }
}

/** Goes through all that there is of connections: one is made, pins its tools, is asked about, and is deleted. */
async function walkConnections({ call, upstream }: ControlPlane): Promise<void> {
  const definition = { mcp_server_url: upstream.url, pin_tools: true, auth: { type: 'none' } }
  const wiki = { name: 'wiki', ...definition }
  const { connection } = connectionSchema.parse(await call('post', CONNECTIONS, {}, { body: wiki, expected: 201 }))
  await call('post', CONNECTIONS, {}, { body: wiki, expected: 409 })
  const { connections } = connectionListSchema.parse(await call('get', CONNECTIONS))
  expect(connections.map(({ name }) => name)).toEqual(['docs', 'search', 'wiki'])
  const ofConnection = { connection_id: connection.id }
  expect(await call('get', CONNECTION, ofConnection)).toEqual({ connection })
  await call('get', CONNECTION, { connection_id: 'nobody' }, { expected: 404 })
  await call('put', CONNECTION, ofConnection, { body: { ...definition, display_name: 'Our wiki' } })
  await call('put', CONNECTION, { connection_id: 'docs' }, { body: definition, expected: 409 })

  const tools = ['read', 'search', 'burn']
  const body = { name: 'pinning', connection_tool_mappings: [{ connection_name: 'wiki', tools }] }
  const { config } = configSchema.parse(await call('post', CONFIGS, {}, { body }))
  await call('delete', CONNECTION, ofConnection, { expected: 409 })
  const wanted = { config_name: 'pinning', user_identifier: 'fay' }
  const { instance } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
  await walkPinnedTools({ call, upstream }, instance.url)
  await walkDiagnostics(call)
  await call('delete', CONFIG, { config_id: config.id })
  await call('delete', CONNECTION, ofConnection)
  await call('get', CONNECTION, ofConnection, { expected: 404 })
}

/** What is said of a user, of the gateway alone, and of a config that is not there. */
async function walkDiagnostics(call: ControlPlane['call']): Promise<void> {
  const query = '?identifier=fay&config_name=pinning'
  const inspected = [{ name: 'read' }, { name: 'search' }, { upstream_name: 'burn', problem: 'missing' }]
  const connections = [{ connection_name: 'wiki', connected_account_status: 'ACTIVE', tools: inspected }]
  expect(await call('get', '/api/v1/diagnostics', {}, { query })).toMatchObject({
    user: { configs: [{ config_name: 'pinning', has_instance: true, connections }] },
  })
  await call('get', '/api/v1/diagnostics')
  await call('get', '/api/v1/diagnostics', {}, { query: '?identifier=fay&config_name=nothing', expected: 404 })
}

/** What the server lists changes, and is decided on. */
async function walkPinnedTools({ call, upstream }: Pick<ControlPlane, 'call' | 'upstream'>, url: string) {
  const ofTools = { connection_name: 'wiki' }
  const waiting = async () => {
    const query = '?filter.state=QUARANTINED'
    return pinnedToolsSchema.parse(await call('get', PINNED_TOOLS, ofTools, { query })).tools
  }
  expect((await listTools(url)).names).toEqual(['read', 'search'])
  expect(await waiting()).toEqual([])
  upstream.changes.description = 'Not as before'
  expect((await listTools(url)).names).toEqual([])
  const changed = await waiting()
  const told = changed.map(({ name, changes }) => `${name}: ${changes?.length} changed`)
  expect(told.toSorted()).toEqual(['read: 1 changed', 'search: 1 changed', 'write: 1 changed'])
  const tools = changed.filter((tool) => tool.name === 'read').map(({ name, digest }) => ({ name, digest }))
  await call('post', `${PINNED_TOOLS}:approve`, ofTools, { body: { tools } })
  expect((await listTools(url)).names).toEqual(['read'])
  await call('post', `${PINNED_TOOLS}:quarantine`, ofTools, { body: { tools } })
  expect((await listTools(url)).names).toEqual([])
  await call('post', `${PINNED_TOOLS}:approve`, ofTools, { body: { all: true } })
  expect((await listTools(url)).names).toEqual(['read', 'search'])
  const never = { tools: [{ name: 'read', digest: 'x' }] }
  await call('post', `${PINNED_TOOLS}:approve`, ofTools, { body: never, expected: 404 })
  await call('post', `${PINNED_TOOLS}:quarantine`, ofTools, { body: {}, expected: 400 })
  await call('get', PINNED_TOOLS, { connection_name: 'docs' }, { expected: 400 })
}

/** The names of the tools on an MCP endpoint, and the status of the answer. */
async function listTools(url: string, token?: string): Promise<{ status: number; names: string[] }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  })
  const answer = toolListSchema.safeParse(await response.json()).data
  return { status: response.status, names: answer?.result.tools.map(({ name }) => name) ?? [] }
}

interface CallOptions {
  readonly body?: unknown
  readonly query?: string
  readonly form?: URLSearchParams
  /** The status; without it, any that says yes. */
  readonly expected?: number
}

const toolListSchema = z.object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) })
const configSchema = z.object({ config: z.object({ id: z.string(), mcp_server_url: z.string() }) })
const instanceSchema = z.object({ instance: z.object({ id: z.string(), url: z.string() }) })
const tokenSchema = z.object({ token: z.string() })
const connectionSchema = z.object({ connection: z.looseObject({ id: z.string() }) })
const connectionListSchema = z.object({ connections: z.array(z.object({ name: z.string() })) })
const pinnedToolSchema = z.object({ name: z.string(), digest: z.string(), changes: z.array(z.unknown()).optional() })
const pinnedToolsSchema = z.object({ tools: z.array(pinnedToolSchema) })

type ControlPlane = Awaited<ReturnType<typeof startControlPlane>>

const CONFIGS = '/api/v1/mcp/configs'
const CONFIG = `${CONFIGS}/{config_id}`
const INSTANCES = '/api/v1/mcp/instances'
const INSTANCE = `${INSTANCES}/{instance_id}`
const ACCOUNTS = '/api/v1/connected_accounts'
const CONNECTIONS = '/api/v1/connections'
const CONNECTION = `${CONNECTIONS}/{connection_id}`
const PINNED_TOOLS = `${CONNECTIONS}/{connection_name}/tools`
const WEBHOOKS = '/api/v1/webhooks'
const WEBHOOK = `${WEBHOOKS}/{webhook_id}`
const MAPPINGS = [{ connection_name: 'docs' }, { connection_name: 'search' }]

describe.each(['SQLite', 'Postgres'])('the control plane over HTTP, on %s', (name) => {
  let postgres: PostgresServer | undefined
  let stack: AsyncDisposableStack
  let plane: ControlPlane
  beforeAll(async () => {
    postgres = name === 'Postgres' ? await startPostgres() : undefined
    stack = new AsyncDisposableStack()
    plane = await startControlPlane(stack, (await postgres?.createGatewayOptions()) ?? {})
  })
  afterAll(async () => {
    await stack.disposeAsync()
    await postgres?.[Symbol.asyncDispose]()
  })

  it('answers every operation of its OpenAPI document in the shape that the document tells', async () => {
    const { call, document, visited } = plane
    await call('get', '/keys')
    await call('get', '/openapi.json')

    const mine = { name: 'mine', connection_tool_mappings: MAPPINGS }
    const { config } = configSchema.parse(await call('post', CONFIGS, {}, { body: mine, expected: 201 }))
    await call('post', CONFIGS, {}, { body: mine, expected: 409 })
    const ofConfig = { config_id: config.id }
    await call('get', CONFIGS, {}, { query: '?page_size=1&search=i' })
    await call('get', CONFIG, ofConfig)
    await call('put', CONFIG, ofConfig, { body: { description: 'All of it', connection_tool_mappings: MAPPINGS } })
    const ada = { identifier: 'ada' }
    await call('post', `${CONFIG}/connected_accounts`, ofConfig, { body: { ...ada, include_auth_link: true } })
    await call('post', `${CONFIG}/tokens`, ofConfig, { body: ada, expected: 400 })
    await call('post', `${CONFIG}/tokens`, ofConfig, { body: { ...ada, allow_partial: true } })

    const wanted = {
      config_name: 'mine',
      user_identifier: 'ada',
      include_auth_state: true,
      include_session_token: true,
    }
    const { instance } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
    const ofInstance = { instance_id: instance.id }
    await call('get', INSTANCES, {}, { query: '?filter.user_identifier=ada' })
    await call('get', INSTANCE, ofInstance)
    await call('patch', INSTANCE, ofInstance, { body: { name: 'Renamed' } })
    await call('post', `${INSTANCE}:get_auth_state`, ofInstance, { body: { include_auth_links: true } })
    await call('post', `${INSTANCE}:rotate_url`, ofInstance)

    const webhook = { url: 'http://127.0.0.1:9/hook', description: 'Nobody listens' }
    const created = await call('post', WEBHOOKS, {}, { body: webhook, expected: 201 })
    const ofWebhook = { webhook_id: z.object({ webhook: z.object({ id: z.string() }) }).parse(created).webhook.id }
    const stream = z
      .instanceof(Response)
      .parse(await call('get', '/api/v1/events', {}, { query: '?user_identifier=ada' }))
    await call('post', `${ACCOUNTS}:delete`, {}, { body: { connector: 'docs', identifier: 'ada' } })
    await stream.body?.cancel()
    await call('get', ACCOUNTS, {}, { query: '?identifier=ada' })
    await call('post', `${ACCOUNTS}/magic_link`, {}, { body: { connector: 'search', identifier: 'ada' } })
    await call('post', `${ACCOUNTS}/user/verify`, {}, { body: { auth_request_id: 'x', ...ada }, expected: 403 })

    await call('get', WEBHOOKS)
    await call('get', WEBHOOK, ofWebhook)
    await call('patch', WEBHOOK, ofWebhook, { body: { description: 'Nobody at all' } })
    await call('post', `${WEBHOOK}:rotate_secret`, ofWebhook, { body: {} })
    const log = await call('get', `${WEBHOOK}/deliveries`, ofWebhook)
    const { deliveries } = z.object({ deliveries: z.array(z.object({ event_id: z.string() })) }).parse(log)
    const ofDelivery = { ...ofWebhook, event_id: deliveries[0]?.event_id ?? '' }
    await call('get', `${WEBHOOK}/deliveries/{event_id}`, ofDelivery)
    await call('post', `${WEBHOOK}/deliveries/{event_id}:replay`, ofDelivery)
    await call('post', `${WEBHOOK}:replay`, ofWebhook, { body: { since: '2026-01-01T00:00:00Z' } })
    await call('delete', WEBHOOK, ofWebhook)
    await call('get', '/api/v1/audit_log', {}, { query: '?user_identifier=ada' })

    await call('post', '/api/v1/users:revoke', {}, { body: ada })
    const { instance: another } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
    await call('delete', INSTANCE, { instance_id: another.id })
    await call('get', INSTANCE, { instance_id: another.id }, { expected: 404 })
    await call('delete', CONFIG, ofConfig)
    await call('get', CONFIG, ofConfig, { expected: 404 })
    await walkConnections(plane)

    const told = Object.values(document.paths).flatMap((methods) => Object.values(methods))
    expect([...visited.keys()].toSorted()).toEqual(told.map(({ operationId }) => operationId).toSorted())
  })

  it('gives running agents the new tools of a config with their next request', async () => {
    const { call } = plane
    const body = { name: 'changing', connection_tool_mappings: [{ connection_name: 'docs', tools: ['read'] }] }
    const { config } = configSchema.parse(await call('post', CONFIGS, {}, { body }))
    const ofConfig = { config_id: config.id }
    const wanted = { config_name: 'changing', user_identifier: 'bea' }
    const { instance } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
    const { token } = tokenSchema.parse(
      await call('post', `${CONFIG}/tokens`, ofConfig, { body: { identifier: 'bea' } }),
    )
    const tools = async () => [await listTools(instance.url), await listTools(config.mcp_server_url, token)]
    expect((await tools()).map(({ names }) => names)).toEqual([['read'], ['read']])
    await call('put', CONFIG, ofConfig, {
      body: { connection_tool_mappings: [{ connection_name: 'docs', tools: ['search', 'write'] }] },
    })
    const changed = ['search', 'write']
    expect((await tools()).map(({ names }) => names)).toEqual([changed, changed])
    await call('put', CONFIG, ofConfig, {
      body: { connection_tool_mappings: [{ connection_name: 'docs', tools: [] }] },
    })
    const all = TOOLS.map((tool) => tool.name)
    expect((await tools()).map(({ names }) => names)).toEqual([all, all])
  })

  it('ends the URL and the tokens of a config, and of an instance, as soon as it is deleted', async () => {
    const { call } = plane
    const docs = [{ connection_name: 'docs' }]
    const body = { name: 'ending', connection_tool_mappings: docs }
    const { config } = configSchema.parse(await call('post', CONFIGS, {}, { body }))
    const ofConfig = { config_id: config.id }
    const ensure = async (user: string) => {
      const wanted = { config_name: 'ending', user_identifier: user }
      const { instance } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
      const minted = await call('post', `${CONFIG}/tokens`, ofConfig, { body: { identifier: user } })
      return { ...instance, token: tokenSchema.parse(minted).token }
    }
    const [carl, dora] = [await ensure('carl'), await ensure('dora')]
    const statuses = async ({ url, token }: { url: string; token: string }) => [
      (await listTools(url)).status,
      (await listTools(config.mcp_server_url, token)).status,
    ]
    expect([await statuses(carl), await statuses(dora)]).toEqual([
      [200, 200],
      [200, 200],
    ])
    await call('delete', INSTANCE, { instance_id: carl.id })
    expect([await statuses(carl), await statuses(dora)]).toEqual([
      [404, 401],
      [200, 200],
    ])
    await call('delete', CONFIG, ofConfig)
    for (const status of await statuses(dora)) expect([401, 404]).toContain(status)
    // A config of the same name is another one.
    await call('post', CONFIGS, {}, { body })
    for (const status of await statuses(dora)) expect([401, 404]).toContain(status)
  })

  it('T1: refuses a token in the query of an MCP URL, whether it is good or not', async () => {
    const { call } = plane
    const wanted = { config_name: 'from-the-file', user_identifier: 'eve' }
    const { instance } = instanceSchema.parse(await call('post', INSTANCES, {}, { body: wanted }))
    for (const query of ['?token=x', '?access_token=', '?a=1&ACCESS_TOKEN=y']) {
      expect((await listTools(`${instance.url}${query}`)).status).toBe(400)
      expect((await listTools(`${plane.gateway.url}/mcp/nothing${query}`)).status).toBe(400)
    }
    expect((await listTools(`${instance.url}?tokens=2`)).status).toBe(200)
  })

  it('answers unknown paths, wrong methods and bodies that are not JSON in the same shape', async () => {
    const { gateway, authorization } = plane
    const errorOf = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${gateway.url}${path}`, init)
      const { code } = z
        .object({ code: z.string(), message: z.string(), details: z.array(z.unknown()) })
        .parse(await response.json())
      return [response.status, code]
    }
    const headers = { authorization, 'content-type': 'application/json' }
    expect(await errorOf('/nothing')).toEqual([404, 'NOT_FOUND'])
    expect(await errorOf('/api/v1/nothing', { headers })).toEqual([404, 'NOT_FOUND'])
    expect(await errorOf('/api/v1/nothing')).toEqual([401, 'UNAUTHENTICATED'])
    expect(await errorOf(CONFIGS, { headers, method: 'DELETE' })).toEqual([405, 'UNIMPLEMENTED'])
    expect(await errorOf(CONFIGS, { headers, method: 'POST', body: '{' })).toEqual([400, 'INVALID_ARGUMENT'])
    expect(await errorOf('/oauth/token', { method: 'POST', body: 'x' })).toEqual([400, 'INVALID_ARGUMENT'])
  })

  it('takes a body that does not tell its length, and refuses one that is too large', async () => {
    const { gateway, authorization } = plane
    const send = async (description: string): Promise<number> => {
      const body = JSON.stringify({
        name: `streamed ${description.length}`,
        description,
        connection_tool_mappings: MAPPINGS,
      })
      const headers = { authorization, 'content-type': 'application/json' }
      const streamed = { method: 'POST', headers, body: new Blob([body]).stream(), duplex: 'half' } as const
      return (await fetch(`${gateway.url}${CONFIGS}`, streamed)).status
    }
    expect([await send('ü'), await send('x'.repeat(300_000))]).toEqual([201, 413])
  })
})
