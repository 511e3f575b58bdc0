import { describe, expect, it } from 'vitest'
import { modernRequest } from './support/clients.ts'
import { jsonResponse, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld, type World, type WorldOptions } from './support/world.ts'

const tool = (name: string): string => `{"name":${JSON.stringify(name)},"inputSchema":{"type":"object"}}`
const done = (body: string): Response =>
  jsonResponse(`{"jsonrpc":"2.0","id":${JSON.parse(body).id},"result":{"resultType":"complete","content":[]}}`)

/** Two upstreams that list the same tools, and what was called at each, with the `Mcp-Name` of the call. */
async function open(options: Partial<WorldOptions>) {
  const called: string[] = []
  const start = (at: string) =>
    startScriptedUpstream(`[${tool('search')},${tool('read')}]`, (body, request) => {
      called.push(`${at} ${JSON.parse(body).params.name} ${request.headers.get('mcp-name')}`)
      return done(body)
    })
  const one = await start('one')
  const two = await start('two')
  const world = await createWorld({ connections: { one: one.url, two: two.url }, ...options })
  const close = async () => {
    await world[Symbol.asyncDispose]()
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()
  }
  return { world, called, one, [Symbol.asyncDispose]: close }
}

async function send(world: World, method: string, params: Record<string, unknown> = {}) {
  const { body, headers } = modernRequest(method, params)
  return await (await world.post(world.url('ada'), body, headers)).json()
}

const names = async (world: World): Promise<string[]> =>
  (await send(world, 'tools/list')).result.tools.map(({ name }: { name: string }) => name)

describe('createMcpEndpoint, names of tools', () => {
  const allow = { one: ['search'], two: ['read'] }

  it('names the tools of several connections as their upstreams do where the config says plain', async () => {
    await using opened = await open({ toolNames: 'plain', allow })
    const { world, called } = opened
    expect(await names(world)).toEqual(['search', 'read'])
    await send(world, 'tools/call', { name: 'search' })
    await send(world, 'tools/call', { name: 'read' })
    expect(called).toEqual(['one search search', 'two read read'])
    expect(await send(world, 'tools/call', { name: 'one__search' })).toMatchObject({ error: { code: -32_602 } })
  })

  it('gives a plain name to no other connection while its own is not authorized', async () => {
    await using opened = await open({ toolNames: 'plain', allow })
    const { world, called } = opened
    world.setStatus('ada', 'one', 'EXPIRED')
    expect(await names(world)).toEqual(['read'])
    expect(await send(world, 'tools/call', { name: 'search' })).toMatchObject({ result: { isError: true } })
    expect(called).toEqual([])
  })

  it('T17: prefixes the tools of one connection where the config says so, and rewrites Mcp-Name', async () => {
    await using both = await open({})
    await using world = await createWorld({ connections: { one: both.one.url }, toolNames: 'prefixed' })
    expect(await names(world)).toEqual(['one__search', 'one__read'])
    await send(world, 'tools/call', { name: 'one__read' })
    expect(both.called).toEqual(['one read read'])
    expect(await send(world, 'tools/call', { name: 'read' })).toMatchObject({ error: { code: -32_602 } })
  })
})
