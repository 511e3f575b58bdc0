import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCommit } from '../../src/accounts/commit.ts'
import { createAudit } from '../../src/audit/audit.ts'
import type { ConnectedAccount, Connection, McpConfig } from '../../src/domain.ts'
import { createChanges } from '../../src/events/changes.ts'
import type { Principal } from '../../src/mcp/authenticate.ts'
import { createKeptListings } from '../../src/mcp/keptListings.ts'
import { listItems, type ListItemsDeps, type ListRequest } from '../../src/mcp/listItems.ts'
import { createQuarantine } from '../../src/mcp/quarantine.ts'
import type { Accounts, AccountOfConnection, GuardedAnswer, GuardedFetch } from '../../src/services.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { createToolPins } from '../../src/trust/toolPins.ts'
import { createUpstreams } from '../../src/upstream/upstreams.ts'

const CONNECTIONS = ['one', 'two', 'three'] as const
const USERS = ['ann', 'bob'] as const
const TOOLS = ['a', 'b', 'c'] as const
const EPOCH = new Date(0)

type Name = (typeof CONNECTIONS)[number]

/** What an upstream lists: a few tools, hundreds of them, one that is refused, one whose text is changed; or nothing. */
const LISTS = {
  few: [...TOOLS].map((name) => ({ name })),
  fewer: [{ name: 'b' }],
  other: [{ name: 'a', title: 'changed' }, { name: 'c' }],
  none: [],
  many: Array.from({ length: 600 }, (_, index) => ({ name: `many${index}` })),
  refused: [{ name: 'a', inputSchema: nested(80) }, { name: 'b' }],
  poisoned: [{ name: 'a', title: 'a\u200b\u200b\u200b' }],
  down: undefined,
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant
const KINDS_OF_LIST = Object.keys(LISTS) as (keyof typeof LISTS)[]

const connection = fc.constantFrom(...CONNECTIONS)
const user = fc.constantFrom(...USERS)
const choice = fc.option(fc.subarray([...TOOLS, 'many7']), { nil: undefined })
const narrowing = fc.option(fc.subarray(['a', 'b', 'one__a', 'one__b', 'two__a', 'three__c', 'one__many7']), {
  freq: 2,
  nil: undefined,
})

const step = fc.oneof(
  fc.record({
    do: fc.constant('list'),
    connection,
    what: fc.constantFrom(...KINDS_OF_LIST, 'down' as const),
    announced: fc.boolean(),
  }),
  fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 0, max: 120_000 }) }),
  fc.record({ do: fc.constant('status'), connection, user, isActive: fc.boolean(), announced: fc.boolean() }),
  fc.record({ do: fc.constant('renew'), connection, user }),
  fc.record({ do: fc.constant('pin'), connection, pinTools: fc.boolean() }),
  fc.record({ do: fc.constant('decide'), connection, approve: fc.boolean() }),
  fc.record({ do: fc.constant('address'), connection }),
  fc.record({
    do: fc.constant('config'),
    order: fc.shuffledSubarray([...CONNECTIONS], { minLength: 1 }),
    choices: fc.record({ one: choice, two: choice, three: choice }),
    toolNames: fc.constantFrom(undefined, 'plain', 'prefixed'),
  }),
)
const ask = fc.record({
  user,
  tools: narrowing,
  accounts: fc.option(fc.subarray([...CONNECTIONS]), { freq: 2, nil: undefined }),
  era: fc.constantFrom('modern', 'legacy'),
  kind: fc.constantFrom('tools', 'tools', 'tools', 'prompts', 'resources'),
  cursor: fc.constantFrom(undefined, undefined, 'from-1000', 'nonsense'),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Ask = typeof ask extends fc.Arbitrary<infer T> ? T : never

function nested(depth: number): object {
  return depth === 0 ? { type: 'string' } : { type: 'object', properties: { x: nested(depth - 1) } }
}

async function createWorld() {
  const store = await openSqliteStore(':memory:')
  for (const name of CONNECTIONS) await store.connections.ensure({ id: `conn_${name}`, name, createdAt: EPOCH })
  const changes = createChanges()
  const commit = createCommit({
    store,
    publish: () => undefined,
    announce: changes.announce,
    audit: createAudit({ store: store.audit, clock: () => now }),
  })
  const pins = createToolPins({ store, commit, changes, clock: () => now })
  let now = 1_000_000
  let addresses = 0
  const connections = new Map<Name, Connection>(CONNECTIONS.map((name) => [name, connectionOf(name, 0)]))
  const accounts = new Map<string, ConnectedAccount>()
  const lists = new Map<Name, keyof typeof LISTS>(CONNECTIONS.map((name) => [name, 'few']))
  let config = configOf([...CONNECTIONS], {}, undefined)
  const known = new Map<string, readonly AccountOfConnection[]>()

  const upstreams = createUpstreams({
    fetch: scriptedFetch((name) => LISTS[lists.get(name) ?? 'none']),
    credentials: {
      headersFor: async (_connection, account) => ({
        generation: account.generation,
        headers: { 'x-owner': account.userIdentifier },
      }),
      afterRefusal: () => Promise.reject(new Error('nothing is refused')),
    },
    clock: () => now,
    clientInfo: { name: 'test', version: '1.0.0' },
  })
  const keeping = depsWith(stateOf)

  function depsWith(read: (who: string) => readonly AccountOfConnection[]): ListItemsDeps {
    return {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked of it
      accounts: { ensureForConfig: async (_config, who) => read(who) } as Pick<Accounts, 'ensureForConfig'> as Accounts,
      upstreams,
      quarantine: createQuarantine({ pins, upstreams }),
      serverInfo: { name: 'test', version: '1.0.0' },
      kept: createKeptListings(),
    }
  }

  function accountOf(who: string, name: Name): ConnectedAccount {
    const id = `ca_${who}_${name}`
    const before = accounts.get(id)
    if (before !== undefined) return before
    const times = { createdAt: EPOCH, updatedAt: EPOCH }
    return { id, connectionId: `conn_${name}`, userIdentifier: who, status: 'ACTIVE', generation: 1, ...times }
  }

  /** The same array until something changes, as where reads are remembered for a moment. */
  function stateOf(who: string): readonly AccountOfConnection[] {
    const before = known.get(who)
    if (before !== undefined) return before
    const found = CONNECTIONS.map((name) => ({ connection: connections.get(name)!, account: accountOf(who, name) }))
    known.set(who, found)
    return found
  }

  function requestOf({ user: userIdentifier, tools, accounts: names, ...rest }: Ask): ListRequest {
    const principal: Principal = {
      config,
      userIdentifier,
      instanceId: undefined,
      expiresAt: undefined,
      tools: tools && new Set(tools),
      accountIds: names && new Set(names.map((name) => `ca_${userIdentifier}_${name}`)),
      asOf: { configId: config.id, epoch: 0 },
      since: 0,
      again: () => Promise.resolve(principal),
    }
    const cursor = rest.cursor === 'from-1000' ? Buffer.from('from-1000').toString('base64url') : rest.cursor
    return { ...rest, principal, cursor }
  }

  async function happen(what: Step): Promise<void> {
    if (what.do === 'wait') now += what.ms
    if (what.do === 'config') config = configOf(what.order, what.choices, what.toolNames)
    if (what.do === 'decide') {
      const connectionId = `conn_${what.connection}`
      const all = await store.toolPins.list({ connectionId, limit: 1000 })
      await pins.decide(connections.get(what.connection)!, all, what.approve ? 'approved' : 'quarantined')
    }
    if (what.do === 'pin') {
      connections.set(what.connection, { ...connections.get(what.connection)!, pinTools: what.pinTools })
    }
    if (what.do === 'address') connections.set(what.connection, connectionOf(what.connection, (addresses += 1)))
    if (what.do === 'list') {
      lists.set(what.connection, what.what)
      if (what.announced) for (const who of USERS) upstreams.forget(`ca_${who}_${what.connection}`)
    }
    if (what.do === 'status' || what.do === 'renew') {
      const account = accountOf(what.user, what.connection)
      const status = what.do === 'renew' || what.isActive ? 'ACTIVE' : 'EXPIRED'
      accounts.set(account.id, { ...account, status, generation: account.generation + 1 })
      if (what.do === 'status' && what.announced) upstreams.forget(account.id)
    }
    if (what.do !== 'wait' && what.do !== 'config') known.clear()
  }

  return {
    happen,
    /** What somebody is told who has asked before, and what by an endpoint that keeps nothing. */
    async askTwice(asked: Ask) {
      const request = requestOf(asked)
      const answer = await listItems(keeping, request)
      return {
        answer,
        fresh: await listItems(
          depsWith((who) => [...stateOf(who)]),
          request,
        ),
      }
    },
    async [Symbol.asyncDispose]() {
      pins.close()
      await upstreams.close()
      await store.close()
    },
  }
}

function connectionOf(name: Name, address: number): Connection {
  const mcpServerUrl = `https://${name}.example/${address}`
  return { id: `conn_${name}`, name, displayName: name, provider: name, mcpServerUrl, auth: { type: 'bearer' } }
}

function configOf(
  order: readonly Name[],
  choices: Readonly<Partial<Record<Name, readonly string[] | undefined>>>,
  toolNames: McpConfig['toolNames'],
): McpConfig {
  const mappings = order.map((name) => ({ connectionId: `conn_${name}`, tools: choices[name] }))
  return { id: 'cfg_1', name: 'agent', description: undefined, mappings, toolNames, createdAt: EPOCH, updatedAt: EPOCH }
}

/** The network: each upstream says in each description for whom it listed that. */
function scriptedFetch(listOf: (name: Name) => readonly object[] | undefined): GuardedFetch {
  const send: GuardedFetch['send'] = async (url, init) => {
    const { id, method } = JSON.parse(String(init?.body))
    const owner = Object(init?.headers)['x-owner']
    const items = listOf(CONNECTIONS.find((name) => new URL(url).hostname === `${name}.example`) ?? 'one')
    const tools = items?.map((item) => ({ description: `for ${owner}`, inputSchema: { type: 'object' }, ...item }))
    const results: Record<string, object> = {
      'server/discover': { supportedVersions: ['2026-07-28'] },
      'tools/list': { tools, ttlMs: 60_000 },
    }
    const result = results[method]
    const outcome = result === undefined ? { error: { code: -32_601, message: 'Method not found' } } : { result }
    return answerWith(items === undefined ? 503 : 200, JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
  }
  return Object.assign(() => Promise.reject(new Error('not asked for')), { send })
}

function answerWith(status: number, text: string): GuardedAnswer {
  return {
    status,
    ok: status === 200,
    headers: { 'content-type': 'application/json' },
    text: async () => text,
    stream: () => new Blob([text]).stream(),
    discard: () => undefined,
  }
}

describe('createKeptListings', () => {
  it('T16: gives what would be put together anew, of nobody else, whatever has happened meanwhile', async () => {
    const asks = fc.array(ask, { minLength: 3, maxLength: 4 })
    const history = fc.array(step, { minLength: 10, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(asks, history, async (asked, events) => {
        await using world = await createWorld()
        for (const event of events) {
          await world.happen(event)
          for (const each of asked) {
            const { answer, fresh } = await world.askTwice(each)
            expect(answer).toEqual(fresh)
            expect(answer?.result ?? '').not.toContain(each.user === 'ann' ? 'for bob' : 'for ann')
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  it('puts an answer together once where nothing has changed', async () => {
    await using world = await createWorld()
    const asked: Ask = {
      user: 'ann',
      tools: undefined,
      accounts: undefined,
      era: 'modern',
      kind: 'tools',
      cursor: undefined,
    }
    const { answer } = await world.askTwice(asked)
    expect(answer?.count).toBe(9)
    expect((await world.askTwice(asked)).answer).toBe(answer)
    await world.happen({ do: 'list', connection: 'two', what: 'few', announced: true })
    expect((await world.askTwice(asked)).answer).not.toBe(answer)
  })
})
