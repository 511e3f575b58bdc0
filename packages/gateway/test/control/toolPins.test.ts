import { decidedToolsSchema, pinnedToolListSchema } from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listedTool } from '../../src/upstream/listedTool.ts'
import { openRooms, OPTIONS, type Rooms } from './openRooms.ts'

const PINNED = {
  ...OPTIONS,
  connections: { ...OPTIONS.connections, docs: { ...OPTIONS.connections.docs, pinTools: true } },
}
const definition = (name: string, description: string) =>
  listedTool(name, JSON.stringify({ name, description, inputSchema: { type: 'object' } }))

let rooms: Rooms
let accessToken: string
beforeEach(async () => {
  rooms = await openRooms(PINNED)
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(() => rooms.close())

async function call(method: string, path: string, body?: object) {
  const response = await rooms.app.request(`/api/v1/connections${path}`, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: await response.json() }
}

async function configs(method: string, path: string, body: object) {
  const response = await rooms.app.request(`/api/v1/mcp/configs${path}`, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, json: await response.json() }
}

/** Two tools are approved; then one changes and one is new. */
async function change() {
  const docs = rooms.registry.connectionByName('docs')
  if (docs === undefined) throw new Error('no docs')
  const [read, find] = [definition('read', 'Reads'), definition('find', 'Finds')]
  await rooms.toolPins.admit(docs, [read, find])
  const [changed, added] = [definition('read', 'Reads and sends'), definition('pay', 'Pays')]
  await rooms.toolPins.admit(docs, [changed, find, added])
  return { docs, read, changed, added }
}

describe('GET /api/v1/connections/{connection_name}/tools', () => {
  it('T48: lists what is approved and what is quarantined, with what has changed', async () => {
    const { changed } = await change()
    const all = pinnedToolListSchema.parse((await call('GET', '/docs/tools')).json)
    expect(all.tools.map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      'find APPROVED',
      'pay QUARANTINED',
      'read APPROVED',
      'read QUARANTINED',
    ])
    const pending = await call('GET', '/docs/tools?filter.state=QUARANTINED&page_size=1')
    expect(pinnedToolListSchema.parse(pending.json).tools.map(({ name }) => name)).toEqual(['pay'])
    const token = pinnedToolListSchema.parse(pending.json).next_page_token
    const next = await call('GET', `/docs/tools?filter.state=QUARANTINED&page_size=1&page_token=${token}`)
    expect(pinnedToolListSchema.parse(next.json).tools).toMatchObject([
      {
        name: 'read',
        digest: changed.digest,
        changes: [{ member: 'description', approved: '"Reads"', listed: '"Reads and sends"' }],
      },
    ])
  })

  it('says so where the connection is unknown or pins nothing', async () => {
    expect((await call('GET', '/nobody/tools')).status).toBe(404)
    expect(await call('GET', '/mail/tools')).toMatchObject({ status: 400 })
  })
})

describe('POST /api/v1/connections/{connection_name}/tools:approve', () => {
  it('T48: approves exactly the definitions that were looked at', async () => {
    const { docs, changed, added } = await change()
    const answer = await call('POST', '/docs/tools:approve', { tools: [{ name: 'read', digest: changed.digest }] })
    expect(decidedToolsSchema.parse(answer.json).tools).toMatchObject([{ name: 'read', state: 'APPROVED' }])
    const approved = await rooms.toolPins.admit(docs, [changed, added])
    expect([approved.has(changed.digest), approved.has(added.digest)]).toEqual([true, false])
  })

  it('approves all that waits, if that is said', async () => {
    const { docs, changed, added } = await change()
    expect(
      decidedToolsSchema.parse((await call('POST', '/docs/tools:approve', { all: true })).json).tools,
    ).toHaveLength(2)
    const approved = await rooms.toolPins.admit(docs, [changed, added])
    expect([approved.has(changed.digest), approved.has(added.digest)]).toEqual([true, true])
  })

  it('decides nothing where one of them was never listed, or nothing is said', async () => {
    const { docs, changed, added } = await change()
    const tools = [
      { name: 'read', digest: changed.digest },
      { name: 'read', digest: added.digest },
    ]
    expect((await call('POST', '/docs/tools:approve', { tools })).status).toBe(404)
    expect((await call('POST', '/docs/tools:approve', {})).status).toBe(400)
    expect((await rooms.toolPins.admit(docs, [changed])).has(changed.digest)).toBe(false)
  })
})

describe('POST /api/v1/connections/{connection_name}/tools:quarantine', () => {
  it('T48: puts an approved definition back into quarantine', async () => {
    const { docs, read } = await change()
    const tools = [{ name: 'read', digest: read.digest }]
    expect((await call('POST', '/docs/tools:quarantine', { tools })).json).toMatchObject({
      tools: [{ state: 'QUARANTINED' }],
    })
    expect((await rooms.toolPins.admit(docs, [read])).has(read.digest)).toBe(false)
  })
})

describe('tool_names of a config', () => {
  const docs = { connection_name: 'docs', tools: ['read'] }
  const mail = { connection_name: 'mail', tools: ['read'] }

  it('is kept, told, and stays as it was when the config is replaced without it', async () => {
    const made = await configs('POST', '', { name: 'p', tool_names: 'prefixed', connection_tool_mappings: [docs] })
    expect(made).toMatchObject({ status: 201, json: { config: { tool_names: 'prefixed' } } })
    const path = `/${made.json.config.id}`
    expect((await configs('PUT', path, { connection_tool_mappings: [docs, mail] })).json).toMatchObject({
      config: { tool_names: 'prefixed' },
    })
    const conflict = await configs('PUT', path, { tool_names: 'plain', connection_tool_mappings: [docs, mail] })
    expect(conflict).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining('"read" would be a tool of both') },
    })
  })

  it('is not there where nobody has set it', async () => {
    const made = await configs('POST', '', { name: 'q', connection_tool_mappings: [docs] })
    expect(made.json.config).not.toHaveProperty('tool_names')
  })
})
