import type { AccountEvent, AccountStatus, ConnectedAccount } from '../domain.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'

export interface StatusChangesOptions {
  readonly store: Store
  readonly publish: (event: AccountEvent) => void
}

/** Runs a change in a transaction together with the rows of its events, and tells everybody once it is committed. */
export function createStatusChanges({ store, publish }: StatusChangesOptions) {
  return {
    async commit<T>(change: (store: Store, record: RecordEvent) => Promise<T>): Promise<T> {
      const events: AccountEvent[] = []
      const result = await store.transaction((inner) =>
        change(inner, async (account, status, occurredAt) => {
          events.push(await inner.events.append(eventOf(account, status, occurredAt)))
        }),
      )
      for (const event of events) publish(event)
      return result
    },
  }
}

/** Notes that an account, as it was before, now has this status. */
export type RecordEvent = (account: ConnectedAccount, status: AccountStatus, occurredAt: Date) => Promise<void>

function eventOf(account: ConnectedAccount, status: AccountStatus, occurredAt: Date): Omit<AccountEvent, 'sequence'> {
  return {
    id: newId('evt'),
    accountId: account.id,
    userIdentifier: account.userIdentifier,
    connectionId: account.connectionId,
    status,
    oldStatus: account.status,
    occurredAt,
  }
}
