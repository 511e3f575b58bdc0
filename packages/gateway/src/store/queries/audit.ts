import type { Insertable, Kysely, Selectable } from 'kysely'
import type { AuditDetails, AuditRecord, AuditRow } from '../../domain.ts'
import type { AuditLogTable, Schema } from '../schema.ts'
import type { AuditQuery, AuditStore } from '../store.ts'

export function createAuditStore(db: Kysely<Schema>): AuditStore {
  return {
    async append(rows) {
      if (rows.length === 0) return
      await db.insertInto('audit_log').values(rows.map(toColumns)).execute()
    },
    async list(query) {
      const rows = await select(db, query).execute()
      // Those before a key are found from the key on, which is from the oldest to the newest.
      return (query.before === undefined ? rows : rows.toReversed()).map(toRecord)
    },
    async forget(before, limit) {
      const oldest = db
        .selectFrom('audit_log')
        .select('sequence')
        .where('occurred_at', '<', before.getTime())
        .orderBy('occurred_at')
        .limit(limit)
      const { numDeletedRows } = await db.deleteFrom('audit_log').where('sequence', 'in', oldest).executeTakeFirst()
      return Number(numDeletedRows)
    },
  }
}

function select(db: Kysely<Schema>, query: AuditQuery) {
  const { userIdentifier, action, actor, since, until, after, before, limit } = query
  return db
    .selectFrom('audit_log')
    .selectAll()
    .$if(userIdentifier !== undefined, (rest) => rest.where('user_identifier', '=', userIdentifier!))
    .$if(action !== undefined, (rest) => rest.where('action', '=', action!))
    .$if(actor !== undefined, (rest) => rest.where('actor', '=', actor!))
    .$if(since !== undefined, (rest) => rest.where('occurred_at', '>=', since!.getTime()))
    .$if(until !== undefined, (rest) => rest.where('occurred_at', '<', until!.getTime()))
    .$if(after !== undefined, (rest) => rest.where('sequence', '<', Number(after)))
    .$if(before !== undefined, (rest) => rest.where('sequence', '>', Number(before)))
    .orderBy('sequence', before === undefined ? 'desc' : 'asc')
    .limit(limit)
}

function toColumns(row: AuditRow): Insertable<AuditLogTable> {
  return {
    occurred_at: row.occurredAt.getTime(),
    actor: row.actor,
    action: row.action,
    outcome: row.outcome,
    user_identifier: row.userIdentifier ?? null,
    connection_id: row.connectionId ?? null,
    config_id: row.configId ?? null,
    instance_id: row.instanceId ?? null,
    account_id: row.accountId ?? null,
    request_id: row.requestId ?? null,
    address: row.address ?? null,
    details: row.details === undefined ? null : JSON.stringify(row.details),
  }
}

function toRecord(row: Selectable<AuditLogTable>): AuditRecord {
  return {
    sequence: row.sequence,
    occurredAt: new Date(row.occurred_at),
    actor: row.actor,
    action: row.action,
    outcome: row.outcome,
    userIdentifier: row.user_identifier ?? undefined,
    connectionId: row.connection_id ?? undefined,
    configId: row.config_id ?? undefined,
    instanceId: row.instance_id ?? undefined,
    accountId: row.account_id ?? undefined,
    requestId: row.request_id ?? undefined,
    address: row.address ?? undefined,
    // We wrote it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    details: row.details === null ? undefined : (JSON.parse(row.details) as AuditDetails),
  }
}
