import { createLeakDetector } from './leakDetector.ts'
import { createRandom } from './random.ts'
import { type Door, sendRaw } from './rawClient.ts'
import { CONFIG_NAMES, createWorld, type World } from './world.ts'

export interface IsolationRunOptions {
  /** How many tool calls and lists to make, over all users. */
  calls: number
  /** Default 40. */
  users?: number
  /** How many of them at once. Default 24. */
  concurrency?: number
  /** The same seed makes the same choices. Default 1. */
  seed?: number
  /** What the gateway keeps its state in. Default: SQLite, in a file. */
  store?: 'sqlite' | 'postgres'
}

export interface IsolationReport {
  readonly calls: number
  /** What was found; empty if nobody got anything of anybody else's. */
  readonly leaks: readonly string[]
  /** How often users saw their own data: the run proves nothing without. */
  readonly ownSightings: number
  /** How often each thing was done. */
  readonly actions: Readonly<Record<string, number>>
}

type Action = (user: string) => Promise<void>

/**
 * Many users, two configs, two upstreams, one gateway: calls, lists, aborted calls and streams over the pre-authenticated
 * URL, the session token and the pooled client, in both eras, mixed at random with refreshes, revoked grants, new
 * consents and restarts. Every byte that reaches a user is searched for everybody else's data.
 */
export async function runIsolation(options: IsolationRunOptions): Promise<IsolationReport> {
  const { calls, users: userCount = 40, concurrency = 24, seed = 1, store } = options
  const users = Array.from({ length: userCount }, (_, index) => `user-${index}`)
  const detector = createLeakDetector(users, ['mail', 'calendar'])
  const random = createRandom(seed)
  const counts: Record<string, number> = {}
  await using world = await createWorld(store)
  await runPool(users, 8, async (user) => await world.consent(user, 'assistant'))
  const doors = await openDoors(world, users)
  const actions = createActions({ world, doors, random, inspect: detector.inspect })

  const restartEvery = Math.ceil(calls / 4)
  await runPool(Array(calls).keys(), concurrency, async (call) => {
    if (call > 0 && call % restartEvery === 0) await world.restartGateway()
    const [name, action] = pick(actions, random())
    counts[name] = (counts[name] ?? 0) + 1
    await action(users[Math.floor(random() * users.length)]!)
  })
  return { calls, leaks: detector.leaks, ownSightings: detector.ownSightings, actions: counts }
}

/** Each user's doors: two configs, each by URL and by session token. */
async function openDoors({ latchkey }: World, users: readonly string[]): Promise<ReadonlyMap<string, readonly Door[]>> {
  const entries = users.map(async (user) => {
    const doors = CONFIG_NAMES.map(async (config): Promise<Door[]> => {
      const url = await latchkey.mcpUrl(user, { config })
      const endpoint = await latchkey.ready(user, { config })
      return [
        { config, url, headers: async () => ({}) },
        { config, url: endpoint.url, headers: async () => await endpoint.headers() },
      ]
    })
    return [user, (await Promise.all(doors)).flat()] as const
  })
  return new Map(await Promise.all(entries))
}

interface ActionTools {
  readonly world: World
  readonly doors: ReadonlyMap<string, readonly Door[]>
  readonly random: () => number
  readonly inspect: (user: string, bytes: string) => void
}

/** What may happen, with how often it does (weights). */
function createActions({ world, doors, random, inspect }: ActionTools): readonly [string, number, Action][] {
  let nextId = 0
  const choose = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!

  function rawCall(
    user: string,
    method: string,
    params: (door: Door) => Record<string, unknown>,
    signal?: AbortSignal,
  ) {
    const door = choose(doors.get(user)!)
    const era = choose(['modern', 'legacy'] as const)
    nextId += 1
    const id = choose([1, nextId])
    return sendRaw({ door, era, method, params: params(door), id, ...(signal ? { signal } : {}) })
  }

  async function call(user: string, signal?: AbortSignal): Promise<void> {
    inspect(
      user,
      await rawCall(user, 'tools/call', (door) => ({ name: toolOf(door, 'whoami'), arguments: {} }), signal),
    )
  }

  async function stream(user: string): Promise<void> {
    inspect(user, await rawCall(user, 'tools/call', exportMailbox))
  }

  async function abort(user: string): Promise<void> {
    const controller = new AbortController()
    const calling = call(user, controller.signal)
    setImmediate(() => controller.abort())
    await calling
  }

  async function pooled(user: string): Promise<void> {
    try {
      const { tools } = await world.latchkey.userTools(user, { config: choose(CONFIG_NAMES) })
      const tool = choose(tools.filter(({ mcpName }) => /whoami|search_mail|list_events/.test(mcpName)))
      inspect(user, JSON.stringify(tools))
      inspect(user, JSON.stringify(await tool.call(argumentsOf(tool.mcpName))))
    } catch (error) {
      // Somebody revoked this user's grant, or the gateway is restarting: that is part of the run. What came is searched.
      inspect(user, String(error))
    }
  }

  return [
    ['call', 60, call],
    ['stream', 8, stream],
    ['list', 8, async (user) => inspect(user, await rawCall(user, 'tools/list', () => ({})))],
    ['pooled', 14, pooled],
    ['abort', 6, abort],
    ['refresh', 2, async (user) => world.authorizationServer.revokeAccessTokens(user)],
    ['revoke', 0.3, async (user) => world.authorizationServer.revokeUser(user)],
    ['consent', 1.7, async (user) => await world.consent(user, 'assistant')],
  ]
}

function exportMailbox(door: Door): Record<string, unknown> {
  return { name: toolOf(door, 'export_mailbox'), arguments: {}, _meta: { progressToken: 1 } }
}

function toolOf(door: Door, tool: string): string {
  return door.config === 'reader' ? tool : `mail__${tool}`
}

function argumentsOf(mcpName: string): Record<string, unknown> {
  return mcpName.endsWith('search_mail') ? { query: 'receipt' } : {}
}

function pick(actions: readonly [string, number, Action][], share: number): [string, Action] {
  const total = actions.reduce((sum, [, weight]) => sum + weight, 0)
  let rest = share * total
  for (const [name, weight, action] of actions) {
    rest -= weight
    if (rest < 0) return [name, action]
  }
  const [name, , action] = actions.at(-1)!
  return [name, action]
}

/** Runs the task on every item, so many at once. */
async function runPool<Item>(
  items: Iterable<Item>,
  concurrency: number,
  task: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await task(next.value)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}
