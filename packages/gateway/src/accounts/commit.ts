import type { AccountEvent, AccountStatus, Change, ChangeKind, ConnectedAccount } from '../domain.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'

export interface CommitOptions {
  readonly store: Store
  /** Called with each event after it is committed. */
  readonly publish: (event: AccountEvent) => void
  /** Called with each change after it is committed. */
  readonly announce: (change: Change) => void
}

/** What a transaction tells the world, once it is committed. */
export interface Notes {
  /** Notes that an account, as it was before, now has this status. */
  readonly record: RecordEvent
  /** Notes that something else is not what it was; see `Change`. */
  readonly note: (kind: ChangeKind, subject: string, occurredAt: Date) => Promise<void>
}

export type RecordEvent = (account: ConnectedAccount, status: AccountStatus, occurredAt: Date) => Promise<void>

export type Commit = <T>(change: (store: Store, notes: Notes) => Promise<T>) => Promise<T>

/** Runs a change in a transaction together with the rows of what it tells, and tells everybody once it is committed. */
export function createCommit({ store, publish, announce }: CommitOptions): Commit {
  return async (change) => {
    const events: AccountEvent[] = []
    const changes: Change[] = []
    const result = await store.transaction((inner) =>
      change(inner, {
        record: async (account, status, occurredAt) => {
          const event = await inner.events.append(eventOf(account, status, occurredAt))
          // With the event or not at all: what crashes after the commit sends it later.
          await inner.webhooks.enqueue(event, occurredAt)
          events.push(event)
        },
        note: async (kind, subject, occurredAt) => {
          changes.push(await inner.changes.append({ kind, subject, occurredAt }))
        },
      }),
    )
    for (const one of changes) announce(one)
    for (const event of events) publish(event)
    return result
  }
}

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
