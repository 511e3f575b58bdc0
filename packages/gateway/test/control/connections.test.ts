import { connectionListSchema, connectionSchema } from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openRooms, OPTIONS, type Rooms } from './openRooms.ts'

const CANARY = 'canary-8c20'
const answerSchema = z.object({ connection: connectionSchema })
const WIKI = {
  name: 'wiki',
  display_name: 'Our wiki',
  provider: 'acme-wiki',
  mcp_server_url: 'https://wiki.example/mcp',
  auth: {
    type: 'oauth2',
    client_id: 'me',
    client_secret: CANARY,
    scopes: ['read'],
    authorization_parameters: { access_type: 'offline' },
    token_endpoint_auth_method: 'client_secret_post',
  },
}

let rooms: Rooms
beforeEach(async () => {
  rooms = await openRooms()
})
afterEach(() => rooms.close())

async function call(method: string, path: string, body?: object, { app, keys }: Rooms = rooms) {
  const accessToken = (await keys.signAccessToken('app')).token.reveal()
  const response = await app.request(`/api/v1/connections${path}`, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  expect(text).not.toContain(CANARY)
  return { status: response.status, text, json: JSON.parse(text) as unknown }
}

const create = async (body: object = WIKI) => answerSchema.parse((await call('POST', '', body)).json).connection

describe('/api/v1/connections', () => {
  it('makes a connection that is like one of the configuration, and shows no secret of it', async () => {
    const made = await create()
    expect(made).toEqual({
      id: expect.stringMatching(/^conn_/),
      name: 'wiki',
      display_name: 'Our wiki',
      provider: 'acme-wiki',
      mcp_server_url: 'https://wiki.example/mcp',
      source: 'api',
      auth: {
        type: 'oauth2',
        client_id: 'me',
        has_client_secret: true,
        scopes: ['read'],
        authorization_parameters: { access_type: 'offline' },
        token_endpoint_auth_method: 'client_secret_post',
      },
    })
    for (const path of [`/${made.id}`, '/wiki']) {
      expect(answerSchema.parse((await call('GET', path)).json).connection).toEqual(made)
    }
    const configured = await openRooms({
      ...OPTIONS,
      connections: {
        wiki: {
          displayName: 'Our wiki',
          provider: 'acme-wiki',
          mcpServerUrl: 'https://wiki.example/mcp',
          auth: {
            type: 'oauth2',
            clientId: 'me',
            clientSecret: CANARY,
            scopes: ['read'],
            authorizationParameters: { access_type: 'offline' },
            tokenEndpointAuthMethod: 'client_secret_post',
          },
        },
      },
      configs: {},
    })
    const like = { ...configured.registry.connectionByName('wiki'), id: made.id }
    expect(rooms.registry.connectionByName('wiki')).toEqual(like)
    await configured.close()
  })

  it('can be used by a config at once, and survives a restart', async () => {
    const { id } = await create()
    const accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
    const response = await rooms.app.request('/api/v1/mcp/configs', {
      method: 'POST',
      headers: { Authorization: `Bearer ${accessToken}` },
      body: JSON.stringify({ name: 'writer', connection_tool_mappings: [{ connection_name: 'wiki' }] }),
    })
    expect(response.status).toBe(201)
    const again = await openRooms(OPTIONS, rooms.store)
    expect(again.registry.connection(id)).toEqual(rooms.registry.connection(id))
    expect((await call('DELETE', `/${id}`)).status).toBe(409)
  })

  it('reaches a process that hears of the change', async () => {
    const other = await openRooms(OPTIONS, rooms.store)
    const { id } = await create()
    expect(other.registry.connection(id)).toBeUndefined()
    const [change] = await rooms.store.changes.after(0, 10)
    expect(change).toMatchObject({ kind: 'connection', subject: id })
    if (change !== undefined) other.registry.onChange(change)
    await expect.poll(() => other.registry.connection(id)?.name).toBe('wiki')
  })

  it('lists all by name, and says which are from the configuration', async () => {
    await create()
    const { connections } = connectionListSchema.parse((await call('GET', '')).json)
    expect(connections.map(({ name, source }) => [name, source])).toEqual([
      ['docs', 'configuration'],
      ['mail', 'configuration'],
      ['search', 'configuration'],
      ['wiki', 'api'],
    ])
  })

  it('replaces all but the name, and takes nothing over', async () => {
    const { id } = await create()
    const auth = { type: 'api_key', fields: [{ name: 'site', label: 'Site', secret: false, header: 'X-Site' }] }
    const replaced = await call('PUT', `/${id}`, { mcp_server_url: 'https://wiki2.example/mcp', auth })
    expect(answerSchema.parse(replaced.json).connection).toEqual({
      id,
      name: 'wiki',
      display_name: 'wiki',
      provider: 'wiki',
      mcp_server_url: 'https://wiki2.example/mcp',
      source: 'api',
      auth,
    })
    expect(rooms.registry.connection(id)?.auth).not.toHaveProperty('clientSecret')
  })

  it('knows the presets', async () => {
    expect(await create({ name: 'notes', preset: 'notion' })).toMatchObject({
      display_name: 'Notion',
      provider: 'notion',
      mcp_server_url: 'https://mcp.notion.com/mcp',
      auth: { type: 'oauth2' },
    })
  })

  it('deletes a connection, whose name keeps its id', async () => {
    const { id } = await create()
    expect((await call('DELETE', '/wiki')).status).toBe(200)
    expect(rooms.registry.connection(id)).toBeUndefined()
    expect((await call('GET', `/${id}`)).status).toBe(404)
    expect((await create()).id).toBe(id)
  })

  it('changes nothing of what the configuration names', async () => {
    for (const [method, body] of [
      ['PUT', { mcp_server_url: 'https://evil.example/mcp', auth: { type: 'none' } }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await call(method, '/mail', body)
      expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('is from the configuration')])
    }
    expect((await call('POST', '', { ...WIKI, name: 'mail' })).status).toBe(409)
    expect(rooms.registry.connectionByName('mail')?.mcpServerUrl).toBe('https://mail.example/mcp')
  })

  it('makes no program of a connection that it knows', async () => {
    await create()
    const answer = await call('PUT', '/wiki', { command: 'sh', args: ['-c', 'id'], auth: { type: 'none' } })
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('command: is for the configuration')])
    expect(rooms.registry.connectionByName('wiki')).toMatchObject({ mcpServerUrl: WIKI.mcp_server_url })
  })

  it('shows of a program what is started, and not with which arguments or environment', async () => {
    const files = { command: 'npx', args: [CANARY], env: { KEY: CANARY }, auth: { type: 'none' } } as const
    const own = { ...OPTIONS, publicUrl: 'http://127.0.0.1:8787', connections: { ...OPTIONS.connections, files } }
    const configured = await openRooms(own)
    const { connection } = answerSchema.parse((await call('GET', '/files', undefined, configured)).json)
    expect(connection).toEqual({
      id: connection.id,
      name: 'files',
      display_name: 'files',
      provider: 'files',
      command: 'npx',
      source: 'configuration',
      auth: { type: 'none' },
    })
    await configured.close()
  })

  it('gives a name once when many want it at the same moment', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => call('POST', '', WIKI)))
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      201,
      ...Array.from({ length: 9 }, () => 409),
    ])
  })

  it.each<readonly [object, string]>([
    [{ ...WIKI, name: 'No' }, 'name: is not a connection name'],
    [{ ...WIKI, mcp_server_url: 'http://wiki.example/mcp' }, 'mcp_server_url: must be https'],
    [{ ...WIKI, auth: { type: 'oauth2', client_secret: CANARY } }, 'auth.client_id: is missing'],
    [{ ...WIKI, auth: { type: 'oauth2', client_id: { env: 'PATH' } } }, 'auth.client_id: must be a text'],
    [{ ...WIKI, auth: { type: 'oauth2', scope: 'read' } }, 'auth.scope: unknown key, did you mean'],
    [{ ...WIKI, auth: undefined }, 'auth'],
    [{ ...WIKI, auth: { type: 'stdio', command: 'sh' } }, 'auth.type: must be'],
    [{ name: 'wiki', command: 'sh', args: ['-c', 'id'], auth: { type: 'none' } }, 'command: is for the configuration'],
    [{ ...WIKI, command: 'sh' }, 'command: is for the configuration file only: no program is named over the API'],
  ])('refuses %j and keeps nothing', async (body, message) => {
    const answer = await call('POST', '', body)
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(message)])
    expect(await rooms.store.connections.listDefined()).toEqual([])
  })

  it('keeps secrets sealed in the database', async () => {
    await create()
    const [stored] = await rooms.store.connections.listDefined()
    const bytes = Buffer.from(stored?.sealedDefinition ?? []).toString('latin1')
    expect(bytes.length).toBeGreaterThan(0)
    expect(bytes).not.toContain(CANARY)
    expect(bytes).not.toContain('wiki.example')
  })
})
