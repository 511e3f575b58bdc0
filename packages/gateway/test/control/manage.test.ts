import {
  configListSchema,
  configSchema,
  connectedAccountListSchema,
  ensuredInstanceSchema,
  instanceListSchema,
  instanceSchema,
  sessionTokenSchema,
} from '@latchkey/core/wire'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { Change } from '../../src/domain.ts'
import { openRooms, START, type Rooms } from './openRooms.ts'

const CONFIGS = '/api/v1/mcp/configs'
const INSTANCES = '/api/v1/mcp/instances'
const ACCOUNTS = '/api/v1/connected_accounts'

let rooms: Rooms
let accessToken: string
beforeEach(async () => {
  rooms = await openRooms()
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(() => rooms.close())

async function call(method: string, path: string, body?: unknown) {
  const response = await rooms.app.request(path, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, json: z.unknown().parse(await response.json()) }
}
const get = (path: string) => call('GET', path)
const changes = async (): Promise<string[]> =>
  (await rooms.store.changes.after(0, 100)).map(({ kind, subject }: Change) => `${kind} ${subject}`)
const configId = async (name: string) => (await rooms.configs.requireByName(name)).id
const configPath = async (name: string) => `${CONFIGS}/${await configId(name)}`
const configOf = (json: unknown) => z.object({ config: configSchema }).parse(json).config
const instanceOf = (json: unknown) => z.object({ instance: instanceSchema }).parse(json).instance

const configNames = (json: unknown) => configListSchema.parse(json).configs.map(({ name }) => name)
const listInstances = async (query: string) => instanceListSchema.parse((await get(`${INSTANCES}?${query}`)).json)
const listAccounts = async (query = '') => connectedAccountListSchema.parse((await get(`${ACCOUNTS}?${query}`)).json)
const countAccounts = async (query: string) => (await listAccounts(query)).total_size
const accountIds = (json: unknown) => connectedAccountListSchema.parse(json).connected_accounts.map(({ id }) => id)
const mint = async (config: string, body: Record<string, unknown>) =>
  await call('POST', `${await configPath(config)}/tokens`, { identifier: 'u', ...body })

async function ensure(user: string, config = 'reader', name?: string) {
  const { json } = await call('POST', INSTANCES, { config_name: config, user_identifier: user, name })
  return ensuredInstanceSchema.parse(json).instance
}

/** All pages of a list. */
async function walk<T>(path: string, read: (json: unknown) => T[]): Promise<T[][]> {
  const pages: T[][] = []
  const tokens = z.object({ next_page_token: z.string().optional() })
  for (let place: string | undefined = ''; place !== undefined;) {
    const { json } = await get(`${path}${place === '' ? '' : `&page_token=${place}`}`)
    pages.push(read(json))
    place = tokens.parse(json).next_page_token
  }
  return pages
}

describe('PUT /api/v1/mcp/configs/{config_id}', () => {
  const mappings = [{ connection_name: 'search', tools: ['find'] }, { connection_name: 'docs' }]

  it('replaces the description and the mappings, and tells every cache', async () => {
    const path = await configPath('reader')
    rooms.advance(1_000)
    const { status, json } = await call('PUT', path, { description: 'New', connection_tool_mappings: mappings })
    expect(status).toBe(200)
    expect(configOf(json)).toMatchObject({ name: 'reader', description: 'New', connection_tool_mappings: mappings })
    expect((await get(path)).json).toEqual(json)
    expect(await changes()).toEqual([`config ${await configId('reader')}`])
  })

  it('leaves no description where none is given, and takes the name only as it is', async () => {
    const path = await configPath('reader')
    await call('PUT', path, { description: 'Old', connection_tool_mappings: mappings })
    const { json } = await call('PUT', path, { name: 'reader', connection_tool_mappings: mappings, unknown: 1 })
    expect(configOf(json)).not.toHaveProperty('description')
    const renamed = await call('PUT', path, { name: 'writer', connection_tool_mappings: mappings })
    expect(renamed).toMatchObject({ status: 400, json: { message: expect.stringMatching(/^name: cannot be changed/) } })
  })

  it.each([
    ['no mappings', {}],
    ['empty mappings', { connection_tool_mappings: [] }],
    ['an unknown connection', { connection_tool_mappings: [{ connection_name: 'nothing' }] }],
    ['a connection twice', { connection_tool_mappings: [mappings[0], mappings[0]] }],
  ])('refuses %s and changes nothing', async (_, body) => {
    const path = await configPath('reader')
    const before = await get(path)
    expect((await call('PUT', path, body)).status).toBe(400)
    expect((await get(path)).json).toEqual(before.json)
    expect(await changes()).toEqual([])
  })

  it('answers 404 where there is no such config', async () => {
    const { status } = await call('PUT', `${CONFIGS}/cfg_none`, { connection_tool_mappings: mappings })
    expect(status).toBe(404)
  })
})

describe('DELETE /api/v1/mcp/configs/{config_id}', () => {
  it('takes the config and its instances away, keeps the accounts, and tells every cache', async () => {
    const id = await configId('reader')
    const [gone, stays] = [await ensure('u'), await ensure('u', 'email-agent')]
    const account = await rooms.accountOf('reader', 'u', 'docs')
    expect(await call('DELETE', `${CONFIGS}/${id}`)).toMatchObject({ status: 200, json: {} })
    expect((await get(`${CONFIGS}/${id}`)).status).toBe(404)
    expect((await get(`${INSTANCES}/${gone.id}`)).status).toBe(404)
    expect((await get(`${INSTANCES}/${stays.id}`)).status).toBe(200)
    expect((await rooms.accounts.get(account.id))?.status).toBe('ACTIVE')
    expect((await call('POST', `${CONFIGS}/${id}/tokens`, { identifier: 'u' })).status).toBe(404)
    expect(await changes()).toEqual([`config ${id}`])
    expect((await call('DELETE', `${CONFIGS}/${id}`)).status).toBe(404)
  })

  it('lets no instance be made by a request that read the config before', async () => {
    const config = await rooms.configs.requireByName('reader')
    await rooms.configs.delete(config.id)
    await expect(rooms.instances.ensure(config, 'u')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('lets a config of the same name be made anew, with another URL', async () => {
    const { url } = await ensure('u')
    await call('DELETE', await configPath('reader'))
    await call('POST', CONFIGS, { name: 'reader', connection_tool_mappings: [{ connection_name: 'docs' }] })
    expect((await ensure('u')).url).not.toBe(url)
  })
})

describe('GET /api/v1/mcp/configs', () => {
  it('goes through all pages forwards and backwards', async () => {
    const path = `${CONFIGS}?page_size=1`
    expect(await walk(path, configNames)).toEqual([['email-agent'], ['reader'], ['search-agent']])
    const last = configListSchema.parse((await get(`${CONFIGS}?page_size=2`)).json).next_page_token
    const second = configListSchema.parse((await get(`${CONFIGS}?page_size=2&page_token=${last}`)).json)
    expect(second.configs.map(({ name }) => name)).toEqual(['search-agent'])
    const back = configListSchema.parse((await get(`${CONFIGS}?page_size=2&page_token=${second.prev_page_token}`)).json)
    expect(back.configs.map(({ name }) => name)).toEqual(['email-agent', 'reader'])
    expect(back).not.toHaveProperty('prev_page_token')
    expect(back).toHaveProperty('next_page_token')
  })
})

describe('page_token', () => {
  it.each(['audit_log', 'webhook_deliveries'])('is refused where somebody made one up for %s', async (of) => {
    const token = Buffer.from(JSON.stringify([of, 'after', 'nonsense'])).toString('base64url')
    const path = of === 'audit_log' ? '/api/v1/audit_log' : '/api/v1/webhooks/whk_none/deliveries'
    expect((await get(`${path}?page_token=${token}`)).status).toBe(400)
  })
})

describe('GET /api/v1/mcp/instances', () => {
  it('gives every instance once, although others come and go between the pages', async () => {
    const before = await Promise.all(Array.from({ length: 9 }, (_, index) => ensure(`u${index}`)))
    const first = await listInstances('page_size=4')
    const seen = first.instances.map(({ id }) => id)
    const deleted = before.find(({ id }) => !seen.includes(id))
    await call('DELETE', `${INSTANCES}/${seen[3]}`)
    await call('DELETE', `${INSTANCES}/${deleted?.id}`)
    await Promise.all(Array.from({ length: 5 }, (_, index) => ensure(`new${index}`)))
    const all = [...seen]
    for (let token = first.next_page_token; token !== undefined;) {
      const page = await listInstances(`page_size=4&page_token=${token}`)
      all.push(...page.instances.map(({ id }) => id))
      token = page.next_page_token
    }
    expect(new Set(all).size).toBe(all.length)
    const stayed = before.filter((instance) => instance !== deleted)
    expect(all).toEqual(expect.arrayContaining(stayed.map(({ id }) => id)))
  })

  it('filters by id, name, config and user, searches, and counts what it found', async () => {
    const ada = await ensure('ada', 'reader', 'First agent')
    await ensure('ada', 'email-agent')
    await ensure('Bob', 'reader')
    const ids = async (query: string) => (await listInstances(query)).instances.map(({ user_identifier: user }) => user)
    expect(await ids(`filter.id=${ada.id}`)).toEqual(['ada'])
    expect(await ids('filter.name=FIRST')).toEqual(['ada'])
    expect((await ids('filter.config_name=reader')).toSorted()).toEqual(['Bob', 'ada'])
    expect(await ids('filter.config_name=nothing')).toEqual([])
    expect(await ids('filter.user_identifier=ada')).toEqual(['ada', 'ada'])
    expect(await ids('filter.user_identifier=bob')).toEqual([])
    expect(await ids('search=bo')).toEqual(['Bob'])
    expect(await listInstances('filter.user_identifier=ada&page_size=1')).toMatchObject({ total_size: 2 })
    const [found] = (await listInstances(`filter.id=${ada.id}`)).instances
    expect(found).toEqual(ada)
  })

  it.each(['filter.name=ab', 'page_size=31', 'page_token=x'])('refuses the query %s', async (query) => {
    expect((await get(`${INSTANCES}?${query}`)).status).toBe(400)
  })

  it('takes no page token of another list', async () => {
    const { next_page_token: token } = configListSchema.parse((await get(`${CONFIGS}?page_size=1`)).json)
    expect((await get(`${INSTANCES}?page_token=${token}`)).status).toBe(400)
  })
})

describe('PATCH /api/v1/mcp/instances/{instance_id}', () => {
  it('renames an instance and leaves everything else', async () => {
    const before = await ensure('u')
    rooms.advance(1_000)
    const { json } = await call('PATCH', `${INSTANCES}/${before.id}`, { name: 'Renamed' })
    const updatedAt = new Date(START + 1_000).toISOString()
    expect(instanceOf(json)).toEqual({ ...before, name: 'Renamed', updated_at: updatedAt })
    expect(await changes()).toEqual([`instance ${before.id}`])
  })

  it('moves it to another config with the same URL, and ends the tokens for the one that it leaves', async () => {
    const before = await ensure('u')
    const { json } = await call('PATCH', `${INSTANCES}/${before.id}`, { config_name: 'email-agent' })
    const moved = instanceOf(json)
    expect(moved).toMatchObject({ id: before.id, url: before.url, config: { name: 'email-agent' } })
    expect((await ensure('u', 'email-agent')).id).toBe(before.id)
    expect(await rooms.store.revocations.epoch('u', await configId('reader'))).toBe(1)
    expect(await rooms.store.revocations.epoch('u', await configId('email-agent'))).toBe(0)
    expect(await rooms.store.revocations.epoch('v', await configId('reader'))).toBe(0)
  })

  it('answers 409 where the user has an instance of that config already, and changes nothing', async () => {
    const [reader] = [await ensure('u'), await ensure('u', 'email-agent')]
    const { status, json } = await call('PATCH', `${INSTANCES}/${reader.id}`, { config_name: 'email-agent' })
    expect([status, json]).toMatchObject([409, { message: expect.stringContaining('"email-agent"') }])
    expect((await get(`${INSTANCES}/${reader.id}`)).json).toEqual({ instance: reader })
    expect(await rooms.store.revocations.epoch('u', await configId('reader'))).toBe(0)
  })

  it.each([
    [{ name: '' }, 400],
    [{ name: 7 }, 400],
    [{ config_name: 'nothing' }, 404],
    ['{', 400],
  ])('refuses %j with %i', async (body, expected) => {
    const { id } = await ensure('u')
    expect((await call('PATCH', `${INSTANCES}/${id}`, body)).status).toBe(expected)
  })

  it('answers 404 where there is none', async () => {
    expect((await call('PATCH', `${INSTANCES}/ins_none`, { name: 'a' })).status).toBe(404)
  })
})

describe('DELETE /api/v1/mcp/instances/{instance_id}', () => {
  it("ends the URL and the user's tokens for that config, and those of nobody else", async () => {
    const [mine, others] = [await ensure('u'), await ensure('v')]
    expect(await call('DELETE', `${INSTANCES}/${mine.id}`)).toMatchObject({ status: 200, json: {} })
    expect((await get(`${INSTANCES}/${mine.id}`)).status).toBe(404)
    expect((await get(`${INSTANCES}/${others.id}`)).status).toBe(200)
    const reader = await configId('reader')
    const epochs = [rooms.store.revocations.epoch('u', reader), rooms.store.revocations.epoch('v', reader)]
    expect(await Promise.all(epochs)).toEqual([1, 0])
    expect(await changes()).toEqual([`instance ${mine.id}`])
    expect((await call('DELETE', `${INSTANCES}/${mine.id}`)).status).toBe(404)
    expect((await ensure('u')).url).not.toBe(mine.url)
  })
})

describe('GET /api/v1/connected_accounts', () => {
  it('gives the accounts with what a person would look for, and no credential', async () => {
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('search-agent', 'ada', 'search'))
    await rooms.connect(url.reveal())
    const { connected_accounts: accounts, total_size: total } = await listAccounts('identifier=ada')
    expect([accounts, total]).toEqual([
      [
        {
          id: (await rooms.accountOf('search-agent', 'ada', 'search')).id,
          identifier: 'ada',
          connection_id: rooms.registry.connectionByName('search')?.id,
          connection_name: 'search',
          connector: 'search',
          provider: 'search',
          authorization_type: 'api_key',
          status: 'ACTIVE',
          created_at: new Date(START).toISOString(),
          updated_at: new Date(START).toISOString(),
        },
      ],
      1,
    ])
    expect(JSON.stringify(accounts)).not.toContain('canary')
  })

  it('filters by connection, provider, user and status, page by page', async () => {
    for (const user of ['a', 'b', 'c']) await ensure(user, 'email-agent')
    for (const user of ['a', 'b', 'c']) await rooms.accountOf('email-agent', user, 'mail')
    expect(await countAccounts('')).toBe(6)
    expect(await countAccounts('connector=mail')).toBe(3)
    expect(await countAccounts(`connection_id=${rooms.registry.connectionByName('docs')?.id}`)).toBe(3)
    expect(await countAccounts('connector=mail&provider=docs')).toBe(0)
    expect(await countAccounts('provider=acme-mail&status=PENDING_AUTH&identifier=a')).toBe(1)
    expect(await countAccounts('status=ACTIVE')).toBe(3)
    expect(await countAccounts('identifier=A')).toBe(0)
    const pages = await walk(`${ACCOUNTS}?page_size=4`, accountIds)
    expect(pages.map(({ length }) => length)).toEqual([4, 2])
    expect(new Set(pages.flat()).size).toBe(6)
  })

  it.each(['status=OK', 'identifier=', 'page_size=0'])('refuses the query %s', async (query) => {
    expect((await get(`${ACCOUNTS}?${query}`)).status).toBe(400)
  })
})

describe('POST /api/v1/mcp/configs/{config_id}/tokens', () => {
  it('covers the accounts that are ACTIVE where that is asked for', async () => {
    const docs = await rooms.accountOf('email-agent', 'u', 'docs')
    const { json } = await mint('email-agent', { allow_partial: true })
    expect(decodeJwt(sessionTokenSchema.parse(json).token)).toMatchObject({ ca_ids: [docs.id] })
    expect((await mint('email-agent', { allow_partial: false })).status).toBe(400)
  })

  it('is refused where not one account is ACTIVE, also where a part would do', async () => {
    const { status, json } = await mint('search-agent', { allow_partial: true })
    expect([status, json]).toMatchObject([400, { code: 'FAILED_PRECONDITION' }])
  })

  it('refuses tools that no tool of the config can be, and names them', async () => {
    const refused = { allow_partial: true, tools: ['mail__search_mail', 'mail__delete_mail', 'search_mail', 'x__y'] }
    expect(await mint('email-agent', refused)).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining('no tool "mail__delete_mail", "search_mail", "x__y"') },
    })
    // Which tools "docs" has, only its server knows.
    const taken = { allow_partial: true, tools: ['mail__search_mail', 'docs__anything'] }
    expect((await mint('email-agent', taken)).status).toBe(200)
  })

  it('carries the number of revocations, which ends it', async () => {
    await rooms.store.revocations.raise('u', undefined, new Date(START))
    const { json } = await mint('reader', {})
    expect(decodeJwt(sessionTokenSchema.parse(json).token)).toMatchObject({ epoch: 1 })
  })
})

describe('a path that is known', () => {
  it.each([
    ['PATCH', CONFIGS, 'POST, GET, HEAD'],
    ['POST', `${CONFIGS}/cfg_1`, 'GET, HEAD, PUT, DELETE'],
    ['PUT', `${INSTANCES}/ins_1`, 'GET, HEAD, PATCH, DELETE'],
    ['POST', `${INSTANCES}/get_auth_state`, 'GET, HEAD, PATCH, DELETE'],
    ['GET', `${INSTANCES}/ins_1:get_auth_state`, 'POST'],
    ['DELETE', `${INSTANCES}/ins_1%3Aget_auth_state`, 'POST'],
    ['POST', '/api/v1/events', 'GET, HEAD'],
    ['GET', '/oauth/token', 'POST'],
    ['DELETE', '/keys', 'GET, HEAD'],
  ])('answers 405 to %s %s', async (method, path, allow) => {
    const { status, headers, json } = await call(method, path)
    expect([status, headers.get('Allow')]).toEqual([405, allow])
    expect(json).toMatchObject({ code: 'UNIMPLEMENTED', details: [{ error_code: 'method_not_allowed' }] })
  })
})
