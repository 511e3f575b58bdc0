import { type Action, createActions, type WeightedAction } from './actions.ts'
import { createLeakDetector } from './leakDetector.ts'
import { createRandom } from './random.ts'
import { runPool } from './runPool.ts'
import { createWorld } from './world.ts'

export interface IsolationRunOptions {
  /** How many tool calls, lists and other things to do, over all users. */
  calls: number
  /** Default 200. */
  users?: number
  /** How many of them at once. Default 32. */
  concurrency?: number
  /** The same seed makes the same choices. Default 1. */
  seed?: number
  /** What the gateway keeps its state in. Default: SQLite, in a file. */
  store?: 'sqlite' | 'postgres'
  /** Told ten times in a run: a long one that says nothing cannot be told from one that hangs. */
  onProgress?: (progress: IsolationProgress) => void
}

export interface IsolationProgress {
  readonly calls: number
  readonly leaks: number
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

const CALLS_PER_RESTART = 25_000
const LEAST_RESTARTS = 3
const PROGRESS_TOLD = 10

/**
 * Many users, two configs, an upstream of each era, one gateway: calls, lists, prompts, resources, aborted calls and
 * streams over the pre-authenticated URL, the session token and the pooled client, in both eras, mixed at random with
 * refreshes, revoked grants, keys, users and URLs, new consents and restarts. Every byte that reaches a user is searched
 * for everybody else's data, and each upstream looks whether a session comes with another user's credential.
 */
export async function runIsolation(options: IsolationRunOptions): Promise<IsolationReport> {
  const { calls, users: userCount = 200, concurrency = 32, seed = 1, store, onProgress } = options
  const users = Array.from({ length: userCount }, (_, index) => `user-${index}`)
  const detector = createLeakDetector(users, ['mail', 'calendar'])
  const random = createRandom(seed)
  const counts: Record<string, number> = {}
  await using world = await createWorld(store)
  await using acting = await createActions({ world, users, random, inspect: detector.inspect })

  let restarted = Promise.resolve()
  const restartEvery = Math.floor(calls / Math.max(LEAST_RESTARTS + 1, calls / CALLS_PER_RESTART))
  const tellEvery = Math.ceil(calls / PROGRESS_TOLD)
  await runPool(Array(calls).keys(), concurrency, async (call) => {
    if (call > 0 && call % tellEvery === 0) onProgress?.({ calls: call, leaks: detector.leaks.length })
    if (call > 0 && call % restartEvery === 0) await (restarted = restarted.then(() => world.restartGateway()))
    const [name, action] = pick(acting.actions, random())
    counts[name] = (counts[name] ?? 0) + 1
    await action(users[Math.floor(random() * users.length)]!)
  })
  await acting.closeStreams()
  const leaks = [...detector.leaks, ...world.misuses()]
  return { calls, leaks, ownSightings: detector.ownSightings, actions: counts }
}

function pick(actions: readonly WeightedAction[], share: number): [string, Action] {
  const total = actions.reduce((sum, [, weight]) => sum + weight, 0)
  let rest = share * total
  for (const [name, weight, action] of actions) {
    rest -= weight
    if (rest < 0) return [name, action]
  }
  const [name, , action] = actions.at(-1)!
  return [name, action]
}
