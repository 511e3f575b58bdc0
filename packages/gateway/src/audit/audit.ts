import type { AuditEntry, AuditRow } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { LogSink } from '../http/requestLog.ts'
import { currentRequest, type RequestScope } from '../requestScope.ts'
import type { Audit, Clock } from '../services.ts'
import type { AuditStore } from '../store/store.ts'

export interface AuditOptions {
  readonly store: Pick<AuditStore, 'append'>
  readonly clock: Clock
  /** Gets each row too, once it is written. Default: nowhere. */
  readonly log?: LogSink | undefined
}

/** The audit log, and the ways into it that are not for the rooms. */
export interface WritableAudit extends Audit {
  /**
   * Writes what a request's work has recorded, in one statement; afterwards its entries are written at once.
   * Throws GatewayError `unavailable`.
   */
  flush(scope: RequestScope): Promise<void>
  /** Writes within a transaction that changes what the entry is about: with the change or not at all. */
  within(store: Pick<AuditStore, 'append'>, entry: AuditEntry, occurredAt: Date): Promise<AuditRow>
  /** Logs rows that were written within a transaction, once it is committed. */
  committed(rows: readonly AuditRow[]): void
}

/** Writes down what was given out before it leaves (security T71). */
export function createAudit({ store, clock, log = () => undefined }: AuditOptions): WritableAudit {
  async function write(entries: readonly AuditEntry[], scope: RequestScope | undefined): Promise<void> {
    if (entries.length === 0) return
    const occurredAt = new Date(clock())
    const rows = entries.map((entry) => rowOf(entry, occurredAt, scope))
    try {
      await store.append(rows)
    } catch (cause) {
      throw new GatewayError('unavailable', 'The audit log cannot be written, so nothing is given out.', { cause })
    }
    committed(rows)
  }

  function committed(rows: readonly AuditRow[]): void {
    for (const row of rows) log(lineOf(row))
  }

  return {
    async record(entry) {
      const scope = currentRequest()
      if (scope?.entries === undefined) await write([entry], scope)
      else scope.entries.push(entry)
    },

    async flush(scope) {
      const entries = scope.entries ?? []
      scope.entries = undefined
      await write(entries, scope)
    },

    async within(inner, entry, occurredAt) {
      const row = rowOf(entry, occurredAt, currentRequest())
      await inner.append([row])
      return row
    },

    committed,
  }
}

function rowOf(entry: AuditEntry, occurredAt: Date, scope: RequestScope | undefined): AuditRow {
  return {
    ...entry,
    outcome: entry.outcome ?? 'ok',
    occurredAt,
    actor: scope?.actor ?? 'system',
    requestId: scope?.requestId,
    address: scope?.address,
  }
}

/** As one line of the log. */
function lineOf({ occurredAt, details, ...row }: AuditRow): Parameters<LogSink>[0] {
  const told = details === undefined ? undefined : JSON.stringify(details)
  return { time: occurredAt.toISOString(), level: 'info', message: 'audit', ...row, details: told }
}
