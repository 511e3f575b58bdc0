import type { Kysely, Selectable } from 'kysely'
import type { McpInstance } from '../../domain.ts'
import type { InstancesTable, Schema } from '../schema.ts'
import type { InstanceStore } from '../store.ts'

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
  }
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
