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
import { createSealedStore } from './sealed.ts'
import { createSettingStore } from './settings.ts'
import { createVerificationStore } from './verifications.ts'
import { createWebhookStore } from './webhooks.ts'

/** What the databases do in different ways. */
export interface Engine {
  /**
   * At most one `work` of a key at a time, in all processes. `work` is given what to begin its transactions with where
   * its writes have to commit together with the end of the lock.
   */
  readonly exclusively: <T>(key: string, work: (inner: Exclusive | undefined) => Promise<T>) => Promise<T>
  readonly locks: LockStore
  /** See `Store.listen`. */
  readonly listen: Store['listen']
  /** See `Store.scrub`. */
  readonly scrub: () => Promise<void>
  /** Ends what `exclusively` needs. The database itself is closed afterwards. */
  readonly close: () => Promise<void>
}

/** The transaction that an exclusive work runs in. */
export interface Exclusive {
  readonly db: Kysely<Schema>
  /** A part of it that is all or nothing. Transactions that write do not interleave, so it waits for all others. */
  readonly begin: Begin
}

type Begin = <T>(work: (transaction: Kysely<Schema>) => Promise<T>) => Promise<T>

/** The store over any database that Kysely speaks to and that has the tables of `schema.ts`. */
export function createStore(db: Kysely<Schema>, engine: Engine): Store {
  const store: Store = {
    ...outside(db, (work) => db.transaction().execute(work)),
    exclusively: (key, work) =>
      engine.exclusively(key, (inner) => work(inner === undefined ? store : exclusive(inner))),
    locks: engine.locks,
    listen: engine.listen,
    scrub: engine.scrub,
    close: async () => {
      await engine.close()
      await db.destroy()
    },
  }
  return store
}

function exclusive({ db, begin }: Exclusive): Store {
  return {
    ...outside(db, begin),
    ...OUTER_ONLY,
    exclusively: () => Promise.reject(new Error('Nothing is exclusive within what is exclusive')),
    scrub: () => Promise.reject(new Error('What is exclusive cannot scrub the store')),
    close: () => Promise.reject(new Error('What is exclusive cannot close the store')),
  }
}

/** What has nothing to do with a transaction, and would wait for its end. */
const OUTER_ONLY = {
  locks: { hold: refuseWithin, holdIfFree: refuseWithin },
  listen: () => refuseWithin,
}

function refuseWithin(): Promise<never> {
  return Promise.reject(new Error('Not within a transaction: use the outer store'))
}

/**
 * Not within a transaction. A place in a log is given out within one nevertheless: transactions commit one after the
 * other, so that whoever asks for what came after a place never misses one that was given out but not committed.
 */
function outside(
  db: Kysely<Schema>,
  begin: Begin,
): Omit<Store, keyof typeof OUTER_ONLY | 'exclusively' | 'scrub' | 'close'> {
  const { events, changes, ...others } = rooms(db)
  return {
    ...others,
    events: { ...events, append: (event) => begin((transaction) => createEventStore(transaction).append(event)) },
    changes: { ...changes, append: (change) => begin((transaction) => createChangeStore(transaction).append(change)) },
    transaction: (work) => begin((transaction) => work(within(transaction))),
    lockUser: () => Promise.reject(new Error('A user is locked within a transaction')),
    forgetExpired: (before) => forgetExpired(db, before),
  }
}

function within(transaction: Kysely<Schema>): Store {
  const store: Store = {
    ...rooms(transaction),
    transaction: (work) => work(store),
    // A transaction that writes is alone, in all processes: see `Store.transaction`.
    lockUser: () => Promise.resolve(),
    ...OUTER_ONLY,
    exclusively: () => Promise.reject(new Error('Nothing is exclusive within a transaction')),
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
  }
}

async function forgetExpired(db: Kysely<Schema>, before: Date): Promise<void> {
  await db.deleteFrom('auth_flows').where('expires_at', '<', before.getTime()).execute()
  await db.deleteFrom('auth_links').where('expires_at', '<', before.getTime()).execute()
  await db.deleteFrom('idempotency_keys').where('claimed_at', '<', before.getTime()).execute()
}
