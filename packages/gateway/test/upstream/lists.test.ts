import { describe, expect, it } from 'vitest'
import type { ConnectedAccount, Connection } from '../../src/domain.ts'
import type { GuardedAnswer, GuardedFetch } from '../../src/services.ts'
import { createUpstreams } from '../../src/upstream/upstreams.ts'
import { heldBytes } from './support/heldBytes.ts'

const KIB = 1024
const MIB = 1024 * KIB
const EPOCH = new Date(0)

const connection: Connection = {
  id: 'conn_mail',
  name: 'mail',
  displayName: 'Mail',
  provider: 'mail',
  mcpServerUrl: 'https://mail.example/mcp',
  auth: { type: 'none' },
}

function targetOf(index: number) {
  const id = `ca_${index}`
  const times = { createdAt: EPOCH, updatedAt: EPOCH }
  const account: ConnectedAccount = {
    id,
    connectionId: connection.id,
    userIdentifier: id,
    status: 'ACTIVE',
    generation: 1,
    ...times,
  }
  return { connection, account }
}

/** An upstream of 2026-07-28 that lists the same for every account. */
function startListing(result: object) {
  /** The account of each request for the list, in order. */
  const listed: (string | undefined)[] = []
  const send: GuardedFetch['send'] = async (_url, init) => {
    const { id, method } = JSON.parse(String(init?.body))
    if (method === 'server/discover') return answerWith({ id, result: { supportedVersions: ['2026-07-28'] } })
    listed.push(init?.partition)
    return answerWith({ id, result: { ttlMs: 3_600_000, ...result } })
  }
  const upstreams = createUpstreams({
    fetch: Object.assign(() => Promise.reject(new Error('not asked for')), { send }),
    credentials: {
      headersFor: async () => ({ generation: 1, headers: {} }),
      afterRefusal: () => Promise.reject(new Error('nothing is refused')),
    },
    clock: () => 0,
    clientInfo: { name: 'test', version: '1.0.0' },
  })
  return { upstreams, listed, [Symbol.asyncDispose]: () => upstreams.close() }
}

/** As it comes from the network: each text stands alone. */
function answerWith(message: object): GuardedAnswer {
  const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
  return {
    status: 200,
    ok: true,
    headers: { 'content-type': 'application/json' },
    text: async () => bytes.toString(),
    stream: () => new Blob([bytes]).stream(),
    discard: () => undefined,
  }
}

const tool = (name: string, description: string) => ({ name, description, inputSchema: { type: 'object' } })

const resources = (count: number) => Array.from({ length: count }, (_, index) => ({ uri: `x:${index}`, name: 'x' }))

describe('createUpstreams, lists that are kept', () => {
  it('T44: hold what is listed, and nothing else of what came with it', async () => {
    const filler = 'x'.repeat(900 * KIB)
    const refused = tool('x'.repeat(900 * KIB), '')
    await using listing = startListing({ filler, tools: [tool('one', 'The one that is kept'), refused] })
    await listing.upstreams.list(targetOf(0), 'tools')
    const before = heldBytes()
    for (let index = 1; index <= 30; index += 1) await listing.upstreams.list(targetOf(index), 'tools')
    expect(heldBytes() - before).toBeLessThan(10 * MIB)
    expect(listing.upstreams.known(targetOf(30), 'tools')).toMatchObject([{ name: 'one' }])
    expect(listing.upstreams.refused(targetOf(30), 'tools')).toEqual([{ name: 'x'.repeat(128), problem: 'too_long' }])
  })

  it('T44: count with all that is kept of them: an item as its upstream wrote it too', async () => {
    const tools = Array.from({ length: 7 }, (_, index) => tool(`tool_${index}`, 'x'.repeat(250 * KIB)))
    await using listing = startListing({ tools })
    // 64 MiB are kept of all accounts together.
    for (let index = 0; index < 40; index += 1) await listing.upstreams.list(targetOf(index), 'tools')
    expect(listing.upstreams.known(targetOf(39), 'tools')).toHaveLength(7)
    expect(listing.upstreams.known(targetOf(0), 'tools')).toBeUndefined()
    await listing.upstreams.list(targetOf(0), 'tools')
    expect(listing.listed.filter((account) => account === 'ca_0')).toHaveLength(2)
  })

  it('T44: are refused with more than 10,000 items, however short those are', async () => {
    await using listing = startListing({ resources: resources(10_000) })
    expect(await listing.upstreams.list(targetOf(0), 'resources')).toHaveLength(10_000)
    await using longer = startListing({ resources: resources(10_001) })
    await expect(longer.upstreams.list(targetOf(0), 'resources')).rejects.toThrow('lists more than 10000 resources')
  })
})
