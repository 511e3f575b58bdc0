import { sql, type Kysely, type Selectable, type UpdateObject } from 'kysely'
import type { WebhookAttempt, WebhookDelivery } from '../../domain.ts'
import type { Schema, WebhookDeliveriesTable, WebhookEndpointsTable } from '../schema.ts'
import type { ClaimedDelivery, StoredWebhookEndpoint, WebhookChange, WebhookStore } from '../store.ts'
import { toEvent } from './events.ts'

export function createWebhookStore(db: Kysely<Schema>): WebhookStore {
  return { ...endpoints(db), ...queue(db), ...deliveryLog(db) }
}

type Endpoints = Pick<WebhookStore, 'insert' | 'get' | 'list' | 'update' | 'setSecrets' | 'delete'>

function endpoints(db: Kysely<Schema>): Endpoints {
  return {
    async insert(endpoint) {
      await db.insertInto('webhook_endpoints').values(toRow(endpoint)).execute()
    },
    async get(id) {
      const row = await db.selectFrom('webhook_endpoints').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toEndpoint(row)
    },
    async list() {
      const rows = await db.selectFrom('webhook_endpoints').selectAll().orderBy('created_at').orderBy('id').execute()
      return rows.map(toEndpoint)
    },
    async update(id, change) {
      const result = await db
        .updateTable('webhook_endpoints')
        .set(toChangedColumns(change))
        .where('id', '=', id)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async setSecrets({ id, generation }, sealedSecrets, at) {
      const result = await db
        .updateTable('webhook_endpoints')
        .set({ sealed_secrets: sealedSecrets, generation: generation + 1, updated_at: at.getTime() })
        .where('id', '=', id)
        .where('generation', '=', generation)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async delete(id) {
      const result = await db.deleteFrom('webhook_endpoints').where('id', '=', id).executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

const COLUMNS = [
  'endpoint_id',
  'event_id',
  'event_sequence',
  'status',
  'attempts',
  'attempt_log',
  'next_attempt_at',
  'created_at',
] as const

type Queue = Pick<WebhookStore, 'enqueue' | 'nextDue' | 'claim' | 'finish'>

function queue(db: Kysely<Schema>): Queue {
  return {
    async enqueue(event, at) {
      await db
        .insertInto('webhook_deliveries')
        .columns(COLUMNS)
        .expression((eb) =>
          eb
            .selectFrom('webhook_endpoints')
            .select([
              'id',
              sql<string>`cast(${event.id} as text)`.as('event_id'),
              sql<number>`cast(${event.sequence} as bigint)`.as('event_sequence'),
              ...newDelivery(at),
            ])
            .where('disabled_reason', 'is', null),
        )
        .execute()
    },
    async nextDue(endpointId) {
      const row = await db
        .selectFrom('webhook_deliveries')
        .select('next_attempt_at')
        .where('endpoint_id', '=', endpointId)
        .where('next_attempt_at', 'is not', null)
        .orderBy('next_attempt_at')
        .limit(1)
        .executeTakeFirst()
      return toDate(row?.next_attempt_at)
    },
    claim: (query) => claim(db, query),
    async finish({ endpointId, eventId, claim: claimId }, { status, attempts, attemptLog, nextAttemptAt }) {
      const result = await db
        .updateTable('webhook_deliveries')
        .set({
          status,
          attempts,
          attempt_log: JSON.stringify(attemptLog),
          next_attempt_at: nextAttemptAt?.getTime() ?? null,
          claim: null,
        })
        .where('endpoint_id', '=', endpointId)
        .where('event_id', '=', eventId)
        .where('claim', '=', claimId)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
  }
}

/**
 * Takes due deliveries by moving their time to the end of the claim: so two that ask at once never get the same one, and
 * what its claimer never finishes is simply due again.
 */
async function claim(
  db: Kysely<Schema>,
  { endpointId, claim: claimId, now, until, limit }: Parameters<WebhookStore['claim']>[0],
): Promise<readonly ClaimedDelivery[]> {
  const claimed = await db
    .updateTable('webhook_deliveries')
    .set({ next_attempt_at: until.getTime(), claim: claimId })
    .where('endpoint_id', '=', endpointId)
    .where('event_id', 'in', (eb) =>
      eb
        .selectFrom('webhook_deliveries')
        .select('event_id')
        .where('endpoint_id', '=', endpointId)
        .where('next_attempt_at', '<=', now.getTime())
        .orderBy('next_attempt_at')
        .orderBy('event_sequence')
        .limit(limit),
    )
    // Asked again of each row as it is written: another process may have been faster since the inner query read it.
    .where('next_attempt_at', '<=', now.getTime())
    .returning(COLUMNS)
    .execute()
  if (claimed.length === 0) return []
  const ids = claimed.map(({ event_id: id }) => id)
  const rows = await db.selectFrom('events').selectAll().where('id', 'in', ids).execute()
  const events = new Map(rows.map((row) => [row.id, toEvent(row)]))
  return claimed
    .map(toDelivery)
    .toSorted((a, b) => a.sequence - b.sequence)
    .map((delivery) => ({ delivery, event: events.get(delivery.eventId) }))
}

type DeliveryLog = Pick<WebhookStore, 'deliveries' | 'delivery' | 'replay' | 'replaySince' | 'forgetDeliveries'>

function deliveryLog(db: Kysely<Schema>): DeliveryLog {
  return {
    async deliveries({ endpointId, status, beforeSequence, afterSequence, limit }) {
      const rows = await db
        .selectFrom('webhook_deliveries')
        .select(COLUMNS)
        .where('endpoint_id', '=', endpointId)
        .$if(status !== undefined, (query) => query.where('status', '=', status!))
        .$if(beforeSequence !== undefined, (query) => query.where('event_sequence', '<', beforeSequence!))
        .$if(afterSequence !== undefined, (query) => query.where('event_sequence', '>', afterSequence!))
        .orderBy('event_sequence', afterSequence === undefined ? 'desc' : 'asc')
        .limit(limit)
        .execute()
      return (afterSequence === undefined ? rows : rows.toReversed()).map(toDelivery)
    },
    async delivery(endpointId, eventId) {
      const row = await db
        .selectFrom('webhook_deliveries')
        .select(COLUMNS)
        .where('endpoint_id', '=', endpointId)
        .where('event_id', '=', eventId)
        .executeTakeFirst()
      return row && toDelivery(row)
    },
    async replay(endpointId, eventId, at) {
      const result = await again(db, endpointId, at).where('event_id', '=', eventId).executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    replaySince: (endpointId, query) => replaySince(db, endpointId, query),
    async forgetDeliveries(before) {
      await db.deleteFrom('webhook_deliveries').where('created_at', '<', before.getTime()).execute()
    },
  }
}

async function replaySince(
  db: Kysely<Schema>,
  endpointId: string,
  { since, includeDelivered, at }: Parameters<WebhookStore['replaySince']>[1],
): Promise<number> {
  const repeated = await again(db, endpointId, at)
    .where('event_id', 'in', (eb) => eb.selectFrom('events').select('id').where('occurred_at', '>=', since.getTime()))
    .where('status', 'in', includeDelivered ? ['failed', 'delivered'] : ['failed'])
    .executeTakeFirst()
  const added = await db
    .insertInto('webhook_deliveries')
    .columns(COLUMNS)
    .expression((eb) =>
      eb
        .selectFrom('events')
        .select([sql<string>`cast(${endpointId} as text)`.as('endpoint_id'), 'id', 'sequence', ...newDelivery(at)])
        .where('occurred_at', '>=', since.getTime())
        .where('id', 'not in', (inner) =>
          inner.selectFrom('webhook_deliveries').select('event_id').where('endpoint_id', '=', endpointId),
        ),
    )
    .executeTakeFirst()
  return Number(repeated.numUpdatedRows) + Number(added.numInsertedOrUpdatedRows ?? 0)
}

/** Postgres takes a parameter that is selected for a text, whatever it is inserted into. */
function newDelivery(at: Date) {
  return [
    sql<'pending'>`cast('pending' as text)`.as('status'),
    sql<number>`0`.as('attempts'),
    sql<string>`cast('[]' as text)`.as('attempt_log'),
    sql<number>`cast(${at.getTime()} as bigint)`.as('next_attempt_at'),
    sql<number>`cast(${at.getTime()} as bigint)`.as('created_at'),
  ] as const
}

function again(db: Kysely<Schema>, endpointId: string, at: Date) {
  return db
    .updateTable('webhook_deliveries')
    .set({ status: 'pending', attempts: 0, next_attempt_at: at.getTime(), claim: null })
    .where('endpoint_id', '=', endpointId)
}

function toRow(endpoint: StoredWebhookEndpoint): WebhookEndpointsTable {
  return {
    id: endpoint.id,
    url: endpoint.url,
    description: endpoint.description ?? null,
    source: endpoint.source,
    disabled_reason: endpoint.disabledReason ?? null,
    sealed_secrets: endpoint.sealedSecrets,
    generation: endpoint.generation,
    failing_since: endpoint.failingSince?.getTime() ?? null,
    created_at: endpoint.createdAt.getTime(),
    updated_at: endpoint.updatedAt.getTime(),
  }
}

/** What the change does not name stays as it is. */
function toChangedColumns(change: WebhookChange): UpdateObject<Schema, 'webhook_endpoints'> {
  return {
    ...('url' in change && { url: change.url }),
    ...('description' in change && { description: change.description ?? null }),
    ...('disabledReason' in change && { disabled_reason: change.disabledReason ?? null }),
    ...('failingSince' in change && { failing_since: change.failingSince?.getTime() ?? null }),
    updated_at: change.updatedAt.getTime(),
  }
}

function toEndpoint(row: Selectable<WebhookEndpointsTable>): StoredWebhookEndpoint {
  return {
    id: row.id,
    url: row.url,
    description: row.description ?? undefined,
    source: row.source,
    disabledReason: row.disabled_reason ?? undefined,
    sealedSecrets: row.sealed_secrets,
    generation: row.generation,
    failingSince: toDate(row.failing_since),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

function toDelivery(row: Omit<WebhookDeliveriesTable, 'claim'>): WebhookDelivery {
  return {
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    sequence: row.event_sequence,
    status: row.status,
    attempts: row.attempts,
    attemptLog: readAttempts(row.attempt_log),
    nextAttemptAt: toDate(row.next_attempt_at),
    createdAt: new Date(row.created_at),
  }
}

function readAttempts(json: string): readonly WebhookAttempt[] {
  const attempts: readonly WebhookAttempt[] = JSON.parse(json)
  // JSON has no `undefined`; the keys are there all the same.
  return attempts.map(({ at, durationMs, responseStatus, error }) => ({ at, durationMs, responseStatus, error }))
}

function toDate(milliseconds: number | null | undefined): Date | undefined {
  return milliseconds === null || milliseconds === undefined ? undefined : new Date(milliseconds)
}
