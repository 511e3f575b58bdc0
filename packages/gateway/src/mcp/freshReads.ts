import { LRUCache } from 'lru-cache'
import type { McpConfig } from '../domain.ts'
import type { Accounts, Clock, Configs, EventLog, Instances } from '../services.ts'

export interface FreshReadsDeps {
  readonly instances: Instances
  readonly configs: Configs
  readonly accounts: Accounts
  readonly events: Pick<EventLog, 'subscribe'>
  readonly clock: Clock
}

/** Also the longest that another process's change goes unseen here; what this process changes is seen at once. */
const FRESH_MS = 1000
const MAX_ENTRIES = 10_000

/**
 * What every request asks the store for (who is this, what may they use), shared by the requests of one user that come
 * within a second. The event log empties what is known of a user when something changes. Every key names its owner.
 */
export function createFreshReads({ instances, configs, accounts, events, clock }: FreshReadsDeps) {
  const options = { max: MAX_ENTRIES, ttl: FRESH_MS, perf: { now: clock } }
  const knownInstances = new LRUCache<string, ReturnType<Instances['get']>>(options)
  const knownConfigs = new LRUCache<string, ReturnType<Configs['get']>>(options)
  const knownAccounts = new LRUCache<string, Map<McpConfig, ReturnType<Accounts['ensureForConfig']>>>(options)

  return {
    instances: { ...instances, get: (id: string) => remember(knownInstances, id, () => instances.get(id)) },
    configs: { ...configs, get: (id: string) => remember(knownConfigs, id, () => configs.get(id)) },
    accounts: {
      ...accounts,
      ensureForConfig(config: McpConfig, userIdentifier: string) {
        let ofUser = knownAccounts.get(userIdentifier)
        if (ofUser === undefined) knownAccounts.set(userIdentifier, (ofUser = new Map()))
        // By the object and not by its id: a config that was read anew may have other connections.
        return remember(ofUser, config, () => accounts.ensureForConfig(config, userIdentifier))
      },
    },
    close: events.subscribe(({ userIdentifier }) => knownAccounts.delete(userIdentifier)),
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
