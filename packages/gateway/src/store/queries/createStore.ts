import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { Store } from '../store.ts'
import { createAccountStore } from './accounts.ts'
import { createChangeStore } from './changes.ts'
import { createConfigStore } from './configs.ts'
import { createConnectionStore } from './connections.ts'
import { createEventStore } from './events.ts'
import { createFlowStore } from './flows.ts'
import { createInstanceStore } from './instances.ts'
import { createLinkStore } from './links.ts'
import { createRegistrationStore } from './registrations.ts'
import { createRevocationStore } from './revocations.ts'
import { createSettingStore } from './settings.ts'

/** The store over any database that Kysely speaks to and that has the tables of `schema.ts`. */
export function createStore(db: Kysely<Schema>): Store {
  return {
    ...rooms(db),
    transaction: (work) => db.transaction().execute((transaction) => work(within(transaction))),
    lockUser: () => Promise.reject(new Error('A user is locked within a transaction')),
    forgetExpired: (before) => forgetExpired(db, before),
    close: () => db.destroy(),
  }
}

function within(transaction: Kysely<Schema>): Store {
  const store: Store = {
    ...rooms(transaction),
    transaction: (work) => work(store),
    // SQLite: a transaction that writes is alone anyway.
    lockUser: () => Promise.resolve(),
    forgetExpired: (before) => forgetExpired(transaction, before),
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
    links: createLinkStore(db),
    flows: createFlowStore(db),
    registrations: createRegistrationStore(db),
    events: createEventStore(db),
    settings: createSettingStore(db),
    changes: createChangeStore(db),
    revocations: createRevocationStore(db),
  }
}

async function forgetExpired(db: Kysely<Schema>, before: Date): Promise<void> {
  await db.deleteFrom('auth_flows').where('expires_at', '<', before.getTime()).execute()
  await db.deleteFrom('auth_links').where('expires_at', '<', before.getTime()).execute()
}
