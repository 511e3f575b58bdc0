import { LatchkeyError } from '@latchkey/core'
import { createRawClient, type Door } from './rawClient.ts'
import { runPool } from './runPool.ts'
import { createStreams } from './streams.ts'
import { CONFIG_NAMES, type World } from './world.ts'

export type Action = (user: string) => Promise<void>
/** What it is called, and how often it is done: a weight. */
export type WeightedAction = readonly [name: string, weight: number, action: Action]

export interface ActionTools {
  readonly world: World
  readonly users: readonly string[]
  readonly random: () => number
  readonly inspect: (user: string, bytes: string) => void
}

export interface Acting extends AsyncDisposable {
  readonly actions: readonly WeightedAction[]
  /** Ends all open streams, and searches what came over them. */
  closeStreams(): Promise<void>
}

/** Has everybody consent, and gives what may happen from then on. */
export async function createActions({ world, users, random, inspect }: ActionTools): Promise<Acting> {
  const client = createRawClient()
  const doors = new Map<string, readonly Door[]>()
  /** Who has lost something, and has to consent anew. */
  const lost = new Set<string>()
  /** From whom anything was ever taken: nobody else may be told to authorize again. */
  const revoked = new Set<string>()
  const streams = createStreams({ client, inspect })
  let nextId = 0

  const choose = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!
  const chooseDoor = (user: string): Door => choose(doors.get(user)!)
  const chooseEra = () => choose(['modern', 'legacy'] as const)
  const chooseService = ({ config }: Door) => (config === 'reader' ? 'mail' : choose(['mail', 'calendar']))

  async function connect(user: string): Promise<void> {
    await world.consent(user, 'assistant')
    doors.set(user, await openDoors(world, user, withoutToken))
  }

  /**
   * A pooled call that a revocation overtakes spends the token that the doors of before share, and there is no other
   * until the user consents again. What the agent sends meanwhile goes without one, and what comes back is searched.
   */
  function withoutToken(user: string, error: unknown): Record<string, string> {
    const isToldToConsent = error instanceof LatchkeyError && error.code === 'authorization_required'
    if (!isToldToConsent || !revoked.has(user)) throw error
    inspect(user, String(error))
    lost.add(user)
    return {}
  }

  function send(user: string, door: Door, method: string, params: Record<string, unknown>, signal?: AbortSignal) {
    nextId += 1
    const id = choose([1, nextId])
    const sent = { door, era: chooseEra(), method, params, id, ...(signal && { signal }) }
    return client.send(sent).then((bytes) => inspect(user, bytes))
  }

  async function call(user: string, signal?: AbortSignal): Promise<void> {
    const door = chooseDoor(user)
    await send(user, door, 'tools/call', { name: nameOf(door, chooseService(door), 'whoami'), arguments: {} }, signal)
  }

  async function stream(user: string): Promise<void> {
    const door = chooseDoor(user)
    const name = nameOf(door, chooseService(door), 'export')
    await send(user, door, 'tools/call', { name, arguments: {}, _meta: { progressToken: 1 } })
  }

  async function abort(user: string): Promise<void> {
    const controller = new AbortController()
    const calling = call(user, controller.signal)
    setImmediate(() => controller.abort())
    await calling
  }

  async function list(user: string): Promise<void> {
    const method = choose(['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'])
    await send(user, chooseDoor(user), method, {})
  }

  /** By names that are guessed for any user: somebody else's prompt or resource is unknown here, or is one's own. */
  async function item(user: string): Promise<void> {
    const door = chooseDoor(user)
    const service = chooseService(door)
    if (random() < 0.5) return await send(user, door, 'prompts/get', { name: nameOf(door, service, 'note') })
    const uri = door.config === 'reader' ? 'data://note' : `latchkey:${service}:data://note`
    await send(user, door, 'resources/read', { uri })
  }

  async function pooled(user: string): Promise<void> {
    try {
      const { tools } = await world.latchkey.userTools(user, { config: choose(CONFIG_NAMES) })
      inspect(user, JSON.stringify(tools))
      const tool = choose(tools.filter(({ mcpName }) => mcpName.endsWith('whoami')))
      inspect(user, JSON.stringify(await tool.call({})))
    } catch (error) {
      // Somebody revoked this user's grant, or the gateway is restarting: that is part of the run. What came is searched.
      inspect(user, String(error))
    }
  }

  async function listen(user: string): Promise<void> {
    await streams.open(user, chooseDoor(user), chooseEra())
  }

  async function revokeUser(user: string): Promise<void> {
    lost.add(user)
    revoked.add(user)
    await world.latchkey.revokeUser(user)
  }

  async function reconnect(): Promise<void> {
    const [user] = lost
    if (user === undefined) return
    lost.delete(user)
    await connect(user).catch(() => void lost.add(user))
  }

  async function rotate(user: string): Promise<void> {
    await world.rotateUrl(user, choose(CONFIG_NAMES))
    doors.set(user, await openDoors(world, user, withoutToken))
  }

  async function revoke(user: string): Promise<void> {
    lost.add(user)
    revoked.add(user)
    if (random() < 0.5) world.revokeKeys(user)
    else world.authorizationServer.revokeUser(user)
  }

  /** What the app asks of the control plane may meet a revocation of the same user: then it is told so. */
  const tolerant =
    (action: Action): Action =>
    async (user) =>
      await action(user).catch((error: unknown) => {
        lost.add(user)
        inspect(user, String(error))
      })

  await runPool(users, 8, connect)
  return {
    actions: [
      ['call', 68, call],
      ['stream', 6, stream],
      ['list', 6, list],
      ['item', 6, item],
      ['abort', 6, abort],
      ['pooled', 4, pooled],
      ['listen', 2, listen],
      ['refresh', 0.3, async (user) => world.authorizationServer.revokeAccessTokens(user)],
      ['revoke', 0.06, revoke],
      ['revokeUser', 0.04, tolerant(revokeUser)],
      ['rotate', 0.1, tolerant(rotate)],
      ['reconnect', 0.3, reconnect],
    ],
    closeStreams: () => streams.close(),
    async [Symbol.asyncDispose]() {
      await streams.close()
      client.close()
    },
  }
}

/** Each user's doors: two configs, each by URL and by session token. */
async function openDoors(
  { latchkey }: World,
  user: string,
  withoutToken: (user: string, error: unknown) => Record<string, string>,
): Promise<readonly Door[]> {
  const doors = CONFIG_NAMES.map(async (config): Promise<Door[]> => {
    const url = await latchkey.mcpUrl(user, { config })
    const endpoint = await latchkey.ready(user, { config })
    return [
      { config, url, headers: async () => ({}) },
      {
        config,
        url: endpoint.url,
        headers: () => endpoint.headers().catch((error: unknown) => withoutToken(user, error)),
      },
    ]
  })
  return (await Promise.all(doors)).flat()
}

function nameOf({ config }: Door, service: string, name: string): string {
  return config === 'reader' ? name : `${service}__${name}`
}
