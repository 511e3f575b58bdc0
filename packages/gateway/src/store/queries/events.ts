import type { Kysely, Selectable } from 'kysely'
import type { AccountEvent } from '../../domain.ts'
import type { EventsTable, Schema } from '../schema.ts'
import type { EventStore } from '../store.ts'

export function createEventStore(db: Kysely<Schema>): EventStore {
  return {
    async append(event) {
      const { sequence } = await db
        .insertInto('events')
        .values({
          id: event.id,
          account_id: event.accountId,
          user_identifier: event.userIdentifier,
          connection_id: event.connectionId,
          status: event.status,
          old_status: event.oldStatus,
          occurred_at: event.occurredAt.getTime(),
        })
        .returning('sequence')
        .executeTakeFirstOrThrow()
      return { sequence, ...event }
    },
    async after(sequence, userIdentifier, limit) {
      const rows = await db
        .selectFrom('events')
        .selectAll()
        .where('user_identifier', '=', userIdentifier)
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(limit)
        .execute()
      return rows.map(toEvent)
    },
    async since(sequence, limit) {
      const rows = await db
        .selectFrom('events')
        .selectAll()
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(limit)
        .execute()
      return rows.map(toEvent)
    },
    async latestSequence() {
      const row = await db
        .selectFrom('events')
        .select((eb) => eb.fn.max('sequence').as('latest'))
        .executeTakeFirst()
      return row?.latest ?? 0
    },
    async earliestSequence() {
      const row = await db
        .selectFrom('events')
        .select((eb) => eb.fn.min('sequence').as('earliest'))
        .executeTakeFirst()
      return row?.earliest ?? undefined
    },
    async forget(before) {
      await db
        .deleteFrom('events')
        .where('occurred_at', '<', before.getTime())
        .where('sequence', '<', (eb) =>
          eb.selectFrom('events as latest').select((inner) => inner.fn.max('latest.sequence').as('sequence')),
        )
        .execute()
    },
  }
}

export function toEvent(row: Selectable<EventsTable>): AccountEvent {
  return {
    sequence: row.sequence,
    id: row.id,
    accountId: row.account_id,
    userIdentifier: row.user_identifier,
    connectionId: row.connection_id,
    status: row.status,
    oldStatus: row.old_status,
    occurredAt: new Date(row.occurred_at),
  }
}
