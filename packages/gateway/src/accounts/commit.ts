import type {
  AccountEvent,
  AccountStatus,
  AuditEntry,
  AuditRow,
  Change,
  ChangeKind,
  ConnectedAccount,
} from '../domain.ts'
import { newId } from '../store/newId.ts'
import type { Store } from '../store/store.ts'

export interface CommitOptions {
  readonly store: Store
  /** Called with each event after it is committed. */
  readonly publish: (event: AccountEvent) => void
  /** Called with each change after it is committed. */
  readonly announce: (change: Change) => void
  /** Writes each event and change into the audit log, in the same transaction. Default: nobody does. */
  readonly audit?: TransactionAudit | undefined
}

/** What a transaction needs of the audit log; see `audit/audit.ts`. */
export interface TransactionAudit {
  within(store: Pick<Store['audit'], 'append'>, entry: AuditEntry, occurredAt: Date): Promise<AuditRow>
  committed(rows: readonly AuditRow[]): void
}

/** What a transaction tells the world, once it is committed. */
export interface Notes {
  /** Notes that an account, as it was before, now has this status. */
  readonly record: RecordEvent
  /** Notes that something else is not what it was; see `Change`. */
  readonly note: (kind: ChangeKind, subject: string, occurredAt: Date) => Promise<void>
  /** Writes into the audit log, together with the change. */
  readonly audit: (entry: AuditEntry, occurredAt: Date) => Promise<void>
}

export type RecordEvent = (
  account: ConnectedAccount,
  status: AccountStatus,
  occurredAt: Date,
  /** For the audit log. */
  reason?: string,
) => Promise<void>

export type Commit = <T>(change: (store: Store, notes: Notes) => Promise<T>) => Promise<T>

/** Runs a change in a transaction together with the rows of what it tells, and tells everybody once it is committed. */
export function createCommit({ store, publish, announce, audit }: CommitOptions): Commit {
  return async (change) => {
    const events: AccountEvent[] = []
    const changes: Change[] = []
    const audited: AuditRow[] = []
    const writeDown = async (inner: Store, entry: AuditEntry, occurredAt: Date) => {
      if (audit !== undefined) audited.push(await audit.within(inner.audit, entry, occurredAt))
    }
    const result = await store.transaction((inner) =>
      change(inner, {
        record: async (account, status, occurredAt, reason) => {
          const event = await inner.events.append(eventOf(account, status, occurredAt))
          // With the event or not at all: what crashes after the commit sends it later.
          await inner.webhooks.enqueue(event, occurredAt)
          await writeDown(inner, statusChange(event, reason), occurredAt)
          events.push(event)
        },
        note: async (kind, subject, occurredAt) => {
          changes.push(await inner.changes.append({ kind, subject, occurredAt }))
          await writeDown(inner, changeOf(kind, subject), occurredAt)
        },
        audit: (entry, occurredAt) => writeDown(inner, entry, occurredAt),
      }),
    )
    audit?.committed(audited)
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

function statusChange(event: AccountEvent, reason: string | undefined): AuditEntry {
  const { accountId, userIdentifier, connectionId, status, oldStatus } = event
  const details = { status, oldStatus, ...(reason !== undefined && { reason }) }
  return { action: 'account.status_changed', userIdentifier, connectionId, accountId, details }
}

function changeOf(kind: ChangeKind, subject: string): AuditEntry {
  if (kind === 'config') return { action: 'config.changed', configId: subject }
  if (kind === 'connection') return { action: 'connection.changed', connectionId: subject }
  if (kind === 'instance') return { action: 'instance.changed', instanceId: subject }
  return { action: 'user.changed', userIdentifier: subject }
}
