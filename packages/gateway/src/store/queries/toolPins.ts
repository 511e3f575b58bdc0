import type { Kysely, Selectable } from 'kysely'
import type { ToolPin } from '../../domain.ts'
import type { Schema, ToolPinsTable } from '../schema.ts'
import type { ToolPinFilter, ToolPinStore } from '../store.ts'
import { byPlace, inOrder } from './inOrder.ts'

export function createToolPinStore(db: Kysely<Schema>): ToolPinStore {
  const matching = ({ connectionId, state }: ToolPinFilter) =>
    db
      .selectFrom('tool_pins')
      .where('connection_id', '=', connectionId)
      .$if(state !== undefined, (rest) => rest.where('state', '=', state!))

  return {
    async begin(connectionId, at) {
      const result = await db
        .insertInto('pinned_connections')
        .values({ connection_id: connectionId, pinned_at: at.getTime() })
        .onConflict((conflict) => conflict.column('connection_id').doNothing())
        .executeTakeFirst()
      return result.numInsertedOrUpdatedRows === 1n
    },
    async approved(connectionId) {
      const rows = await matching({ connectionId, state: 'approved' }).select(['tool', 'digest']).execute()
      return rows.map(({ tool, digest }) => ({ tool: textOf(tool), digest }))
    },
    async insertMissing(pins) {
      const inserted: ToolPin[] = []
      for (const pin of pins) {
        const result = await db
          .insertInto('tool_pins')
          .values(toRow(pin))
          .onConflict((conflict) => conflict.column('id').doNothing())
          .executeTakeFirst()
        if (result.numInsertedOrUpdatedRows === 1n) inserted.push(pin)
      }
      return inserted
    },
    async get(id) {
      const row = await db.selectFrom('tool_pins').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toPin(row)
    },
    async list(query) {
      const rows = await byPlace(matching(query).selectAll(), 'id', query).execute()
      return inOrder(rows, query).map(toPin)
    },
    async count(filter) {
      const row = await matching(filter)
        .select((eb) => eb.fn.countAll().as('count'))
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async decide(id, state, at) {
      const result = await db
        .updateTable('tool_pins')
        .set({ state, decided_at: at.getTime() })
        .where('id', '=', id)
        .where('state', '!=', state)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
  }
}

/** As JSON: a name may hold what a database cannot keep. */
function toRow({ id, connectionId, tool, digest, state, definition, seenAt, decidedAt }: ToolPin): ToolPinsTable {
  return {
    id,
    connection_id: connectionId,
    tool: JSON.stringify(tool),
    digest,
    state,
    definition: definition ?? null,
    seen_at: seenAt.getTime(),
    decided_at: decidedAt?.getTime() ?? null,
  }
}

function toPin(row: Selectable<ToolPinsTable>): ToolPin {
  return {
    id: row.id,
    connectionId: row.connection_id,
    tool: textOf(row.tool),
    digest: row.digest,
    state: row.state,
    definition: row.definition ?? undefined,
    seenAt: new Date(row.seen_at),
    decidedAt: row.decided_at === null ? undefined : new Date(row.decided_at),
  }
}

function textOf(json: string): string {
  return String(JSON.parse(json))
}
