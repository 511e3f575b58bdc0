import type { Expression, ExpressionBuilder, Kysely, Selectable, SqlBool } from 'kysely'
import type { McpInstance } from '../../domain.ts'
import type { InstancesTable, Schema } from '../schema.ts'
import type { InstanceFilter, InstanceStore } from '../store.ts'
import { byPlace, inOrder } from './inOrder.ts'
import { likeLiteral, lowerEscaped } from './likeLiteral.ts'

export function createInstanceStore(db: Kysely<Schema>): InstanceStore {
  const find = async (configId: string, userIdentifier: string) => {
    const row = await db
      .selectFrom('instances')
      .selectAll()
      .where('user_identifier', '=', userIdentifier)
      .where('config_id', '=', configId)
      .executeTakeFirst()
    return row && toInstance(row)
  }
  return {
    async get(id) {
      const row = await db.selectFrom('instances').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toInstance(row)
    },
    find,
    async ensure(instance) {
      await db
        .insertInto('instances')
        .values(toRow(instance))
        .onConflict((conflict) => conflict.columns(['user_identifier', 'config_id']).doNothing())
        .execute()
      const kept = await find(instance.configId, instance.userIdentifier)
      return kept ?? instance
    },
    async list(query) {
      const rows = await byPlace(
        db
          .selectFrom('instances')
          .selectAll()
          .where((eb) => matches(eb, query)),
        'id',
        query,
      ).execute()
      return inOrder(rows, query).map(toInstance)
    },
    async count(filter) {
      const row = await db
        .selectFrom('instances')
        .select((eb) => eb.fn.countAll().as('count'))
        .where((eb) => matches(eb, filter))
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async update({ id, userIdentifier }, { name, configId, updatedAt }) {
      const taken = await find(configId, userIdentifier)
      if (taken !== undefined && taken.id !== id) return false
      const result = await db
        .updateTable('instances')
        .set({ name, config_id: configId, updated_at: updatedAt.getTime() })
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async rotateUrl({ id, userIdentifier }, urlVersion, urlKeyId, at) {
      const result = await db
        .updateTable('instances')
        .set({ url_version: urlVersion + 1, url_key_id: urlKeyId, updated_at: at.getTime() })
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .where('url_version', '=', urlVersion)
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async listByUrlKey(urlKeyId, limit) {
      const rows = await db
        .selectFrom('instances')
        .selectAll()
        .where('url_key_id', '=', urlKeyId)
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(toInstance)
    },
    async touch(ids, at) {
      if (ids.length === 0) return
      await db
        .updateTable('instances')
        .set({ last_used_at: at.getTime() })
        .where('id', 'in', ids)
        .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', at.getTime())]))
        .execute()
    },
    async delete({ id, userIdentifier }) {
      const result = await db
        .deleteFrom('instances')
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

function matches(
  eb: ExpressionBuilder<Schema, 'instances'>,
  { id, namePrefix, configId, userIdentifier, search }: InstanceFilter,
): Expression<SqlBool> {
  const like = (column: 'name' | 'user_identifier', pattern: string) => likeLiteral(eb.fn('lower', [column]), pattern)
  const conditions = []
  if (id !== undefined) conditions.push(eb('id', '=', id))
  if (configId !== undefined) conditions.push(eb('config_id', '=', configId))
  if (userIdentifier !== undefined) conditions.push(eb('user_identifier', '=', userIdentifier))
  if (namePrefix !== undefined) conditions.push(like('name', `${lowerEscaped(namePrefix)}%`))
  if (search !== undefined) {
    const pattern = `%${lowerEscaped(search)}%`
    conditions.push(eb.or([like('name', pattern), like('user_identifier', pattern)]))
  }
  return eb.and(conditions)
}

function toRow(instance: McpInstance): InstancesTable {
  return {
    id: instance.id,
    name: instance.name,
    config_id: instance.configId,
    user_identifier: instance.userIdentifier,
    url_version: instance.urlVersion,
    url_key_id: instance.urlKeyId,
    created_at: instance.createdAt.getTime(),
    updated_at: instance.updatedAt.getTime(),
    last_used_at: instance.lastUsedAt?.getTime() ?? null,
  }
}

function toInstance(row: Selectable<InstancesTable>): McpInstance {
  return {
    id: row.id,
    name: row.name,
    configId: row.config_id,
    userIdentifier: row.user_identifier,
    urlVersion: row.url_version,
    urlKeyId: row.url_key_id,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    lastUsedAt: row.last_used_at === null ? undefined : new Date(row.last_used_at),
  }
}
