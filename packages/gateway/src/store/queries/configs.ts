import type { Expression, ExpressionBuilder, Kysely, Selectable, SqlBool } from 'kysely'
import type { ConnectionToolMapping, McpConfig } from '../../domain.ts'
import type { ConfigsTable, Schema } from '../schema.ts'
import type { ConfigFilter, ConfigStore } from '../store.ts'
import { byPlace, inOrder } from './inOrder.ts'
import { escapeLike, likeLiteral, lowerEscaped } from './likeLiteral.ts'

export function createConfigStore(db: Kysely<Schema>): ConfigStore {
  return {
    async get(id) {
      const row = await db.selectFrom('configs').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toConfig(row)
    },
    async getByName(name) {
      const row = await db.selectFrom('configs').selectAll().where('name', '=', name).executeTakeFirst()
      return row && toConfig(row)
    },
    async insert(config) {
      const result = await db
        .insertInto('configs')
        .values(toRow(config))
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirst()
      return result.numInsertedOrUpdatedRows === 1n
    },
    async update(id, { description, mappings, toolNames, updatedAt }) {
      const result = await db
        .updateTable('configs')
        .set({
          description: description ?? null,
          mappings: JSON.stringify(mappings),
          tool_names: toolNames ?? null,
          updated_at: updatedAt.getTime(),
        })
        .where('id', '=', id)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async list(query) {
      const rows = await byPlace(
        db
          .selectFrom('configs')
          .selectAll()
          .where((eb) => matches(eb, query)),
        'name',
        query,
      ).execute()
      return inOrder(rows, query).map(toConfig)
    },
    async count(filter) {
      const row = await db
        .selectFrom('configs')
        .select((eb) => eb.fn.countAll().as('count'))
        .where((eb) => matches(eb, filter))
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async delete(id) {
      const result = await db.deleteFrom('configs').where('id', '=', id).executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

function matches(
  eb: ExpressionBuilder<Schema, 'configs'>,
  { id, namePrefix, search, connectionIds }: ConfigFilter,
): Expression<SqlBool> {
  const like = (column: 'name' | 'description', pattern: string) => likeLiteral(eb.fn('lower', [column]), pattern)
  const conditions = []
  if (id !== undefined) conditions.push(eb('id', '=', id))
  if (namePrefix !== undefined) conditions.push(like('name', `${lowerEscaped(namePrefix)}%`))
  if (search !== undefined) {
    const pattern = `%${lowerEscaped(search)}%`
    conditions.push(eb.or([like('name', pattern), like('description', pattern)]))
  }
  if (connectionIds !== undefined) {
    // Ids are our own: letters, digits and "_", so nothing else in the JSON looks like one.
    conditions.push(
      eb.or(connectionIds.map((connectionId) => likeLiteral(eb.ref('mappings'), `%"${escapeLike(connectionId)}"%`))),
    )
  }
  return eb.and(conditions)
}

function toRow({ id, name, description, mappings, toolNames, createdAt, updatedAt }: McpConfig): ConfigsTable {
  return {
    id,
    name,
    description: description ?? null,
    mappings: JSON.stringify(mappings),
    tool_names: toolNames ?? null,
    created_at: createdAt.getTime(),
    updated_at: updatedAt.getTime(),
  }
}

function toConfig(row: Selectable<ConfigsTable>): McpConfig {
  const mappings: ConnectionToolMapping[] = JSON.parse(row.mappings)
  return {
    id: row.id,
    name: row.name,
    description: row.description ?? undefined,
    mappings: mappings.map(({ connectionId, tools }) => ({ connectionId, tools })),
    ...(row.tool_names !== null && { toolNames: row.tool_names }),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}
