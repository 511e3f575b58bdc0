import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { LockStore, Store } from '../store.ts'
import { createAccountStore } from './accounts.ts'
import { createAuditStore } from './audit.ts'
import { createChangeStore } from './changes.ts'
import { createConfigStore } from './configs.ts'
import { createConnectionStore } from './connections.ts'
import { createEventStore } from './events.ts'
import { createFlowStore } from './flows.ts'
import { createIdempotencyStore } from './idempotency.ts'
import { createInstanceStore } from './instances.ts'
import { createLinkStore } from './links.ts'
import { createPendingRevocationStore } from './pendingRevocations.ts'
import { createRefreshStore } from './refreshes.ts'
import { createRegistrationStore } from './registrations.ts'
import { createRevocationStore } from './revocations.ts'
import { createRingKeyStore } from './ringKeys.ts'
import { createScopeRequestStore } from './scopeRequests.ts'
import { createSealedStore } from './sealed.ts'
import { createSettingStore } from './settings.ts'
import { createToolPinStore } from './toolPins.ts'
import { createVerificationStore } from './verifications.ts'
import { createWebhookStore } from './webhooks.ts'

/** What the databases do in different ways. */
export interface Engine {
  readonly locks: LockStore
  /** See `Store.listen`. */
  readonly listen: Store['listen']
  /** See `Store.isListening`. */
  readonly isListening: Store['isListening']
  /** Runs the transactions of this process one after the other. Default: the database's connection does. */
  readonly inTurn?: <T>(work: () => Promise<T>) => Promise<T>
  /** See `Store.scrub`. */
  readonly scrub: () => Promise<void>
  /** Ends what is not the database's own. That is closed afterwards. */
  readonly close: () => Promise<void>
}

/**
 * The store over any database that Kysely speaks to and that has the tables of `schema.ts`.
 *
 * A place in a log is always given out within a transaction. They commit one after the other, so whoever asks for what
 * came after a place never misses one that was given out before and committed later.
 */
export function createStore(db: Kysely<Schema>, engine: Engine): Store {
  const { locks, listen, isListening, scrub, close, inTurn = (work) => work() } = engine
  const { events, changes, flows, instances, ...others } = rooms(db)
  const transaction: Store['transaction'] = (work) =>
    inTurn(() => db.transaction().execute((inner) => work(within(inner))))
  return {
    ...others,
    events: { ...events, append: (event) => transaction((inner) => inner.events.append(event)) },
    changes: { ...changes, append: (change) => transaction((inner) => inner.changes.append(change)) },
    // Each looks before it writes, or locks many rows: beside a revocation that deletes them, it would fail or hinder it.
    flows: { ...flows, create: (flow) => transaction((inner) => inner.flows.create(flow)) },
    instances: {
      ...instances,
      update: (key, change) => transaction((inner) => inner.instances.update(key, change)),
      touch: (ids, at) => transaction((inner) => inner.instances.touch(ids, at)),
    },
    transaction,
    lockUser: () => Promise.reject(new Error('A user is locked within a transaction')),
    forgetExpired: (before) => transaction((inner) => inner.forgetExpired(before)),
    locks,
    listen,
    isListening,
    scrub,
    close: async () => {
      await close()
      await db.destroy()
    },
  }
}

/** What has nothing to do with a transaction, and would wait for its end. */
const OUTER_ONLY = {
  locks: { hold: refuseWithin, holdIfFree: refuseWithin },
  listen: () => refuseWithin,
  isListening: () => false,
}

function refuseWithin(): Promise<never> {
  return Promise.reject(new Error('Not within a transaction: use the outer store'))
}

function within(transaction: Kysely<Schema>): Store {
  const store: Store = {
    ...rooms(transaction),
    transaction: (work) => work(store),
    // A transaction that writes is alone, in all processes: see `Store.transaction`.
    lockUser: () => Promise.resolve(),
    ...OUTER_ONLY,
    forgetExpired: (before) => forgetExpired(transaction, before),
    scrub: () => Promise.reject(new Error('A transaction cannot scrub the store')),
    close: () => Promise.reject(new Error('A transaction cannot close the store')),
  }
  return store
}

function rooms(db: Kysely<Schema>) {
  return {
    connections: createConnectionStore(db),
    configs: createConfigStore(db),
    instances: createInstanceStore(db),
    accounts: createAccountStore(db),
    refreshes: createRefreshStore(db),
    links: createLinkStore(db),
    flows: createFlowStore(db),
    verifications: createVerificationStore(db),
    registrations: createRegistrationStore(db),
    events: createEventStore(db),
    settings: createSettingStore(db),
    ringKeys: createRingKeyStore(db),
    sealed: createSealedStore(db),
    changes: createChangeStore(db),
    revocations: createRevocationStore(db),
    pendingRevocations: createPendingRevocationStore(db),
    webhooks: createWebhookStore(db),
    audit: createAuditStore(db),
    idempotency: createIdempotencyStore(db),
    toolPins: createToolPinStore(db),
    scopeRequests: createScopeRequestStore(db),
  }
}

async function forgetExpired(db: Kysely<Schema>, before: Date): Promise<void> {
  await db.deleteFrom('auth_flows').where('expires_at', '<', before.getTime()).execute()
  await db.deleteFrom('auth_links').where('expires_at', '<', before.getTime()).execute()
  await db.deleteFrom('idempotency_keys').where('claimed_at', '<', before.getTime()).execute()
}
