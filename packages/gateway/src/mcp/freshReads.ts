import { LRUCache } from 'lru-cache'
import type { Change, McpConfig } from '../domain.ts'
import type { Accounts, AsOf, Changes, Configs, EventLog, Instances, Revocations } from '../services.ts'

export interface FreshReadsDeps {
  readonly instances: Instances
  readonly configs: Configs
  readonly accounts: Accounts
  readonly revocations: Pick<Revocations, 'epoch'>
  readonly events: Pick<EventLog, 'subscribe'>
  readonly changes: Pick<Changes, 'subscribe'>
}

/** Also the longest that a change goes unseen here of which nobody has told (security T67). */
const FRESH_MS = 1000
const MAX_ENTRIES = 10_000

/**
 * What every request asks the store for (who is this, what may they use), shared by the requests of one user that come
 * within a second. What is not true any more is dropped when it is told. Every key names its owner. The second is one of
 * the monotonic clock: setting the system's clock back must not make a memory last (security T72).
 */
export function createFreshReads({ instances, configs, accounts, revocations, events, changes }: FreshReadsDeps) {
  const options = { max: MAX_ENTRIES, ttl: FRESH_MS, perf: performance }
  const knownInstances = new LRUCache<string, ReturnType<Instances['get']>>(options)
  const knownConfigs = new LRUCache<string, ReturnType<Configs['get']>>(options)
  const knownAccounts = new LRUCache<string, Map<McpConfig, ReturnType<Accounts['ensureForConfig']>>>(options)

  const knownEpochs = new LRUCache<string, Map<string, Promise<number>>>(options)

  function drop({ kind, subject }: Change): void {
    if (kind === 'config') knownConfigs.delete(subject)
    else if (kind === 'instance') knownInstances.delete(subject)
    else if (kind === 'connection') knownAccounts.clear()
    if (kind === 'user') dropUser(subject)
    // Nobody notes whose tokens end with an instance or a config.
    else knownEpochs.clear()
  }

  /** Nobody notes whose instances these are: forgetting all of them costs each of them one read by its key. */
  function dropUser(userIdentifier: string): void {
    knownAccounts.delete(userIdentifier)
    knownEpochs.delete(userIdentifier)
    knownInstances.clear()
  }

  const unsubscribers = [
    events.subscribe(({ userIdentifier }) => void knownAccounts.delete(userIdentifier)),
    changes.subscribe(drop),
  ]

  return {
    instances: { ...instances, get: (id: string) => remember(knownInstances, id, () => instances.get(id)) },
    configs: { ...configs, get: (id: string) => remember(knownConfigs, id, () => configs.get(id)) },
    accounts: {
      ...accounts,
      ensureForConfig(config: McpConfig, userIdentifier: string, asOf?: AsOf) {
        let ofUser = knownAccounts.get(userIdentifier)
        if (ofUser === undefined) knownAccounts.set(userIdentifier, (ofUser = new Map()))
        // By the object and not by its id: a config that was read anew may have other connections.
        return remember(ofUser, config, () => accounts.ensureForConfig(config, userIdentifier, asOf))
      },
    },
    revocations: {
      epoch(userIdentifier: string, configId = '') {
        let ofUser = knownEpochs.get(userIdentifier)
        if (ofUser === undefined) knownEpochs.set(userIdentifier, (ofUser = new Map()))
        return remember(ofUser, configId, () => revocations.epoch(userIdentifier, configId))
      },
    },
    close: () => unsubscribers.forEach((unsubscribe) => unsubscribe()),
  }
}

interface Memory<Key, Value> {
  get(key: Key): Promise<Value> | undefined
  set(key: Key, value: Promise<Value>): unknown
  delete(key: Key): unknown
}

/** One read for all who ask meanwhile. What is not there, or could not be read, is asked for again. */
function remember<Key, Value>(memory: Memory<Key, Value>, key: Key, read: () => Promise<Value>): Promise<Value> {
  const known = memory.get(key)
  if (known !== undefined) return known
  const reading = read()
  memory.set(key, reading)
  const forget = (): void => void (memory.get(key) === reading && memory.delete(key))
  reading.then((value) => value === undefined && forget(), forget)
  return reading
}
