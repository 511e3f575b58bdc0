import type { Kysely } from 'kysely'
import type { Schema } from '../schema.ts'
import type { SettingStore } from '../store.ts'
import { likeLiteral } from './likeLiteral.ts'

export function createSettingStore(db: Kysely<Schema>): SettingStore {
  return {
    async putIfAbsent(name, value) {
      await db
        .insertInto('settings')
        .values({ name, value })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute()
      const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirstOrThrow()
      return row.value
    },
    async list(prefix) {
      return await db
        .selectFrom('settings')
        .selectAll()
        .where((eb) => likeLiteral(eb.ref('name'), `${prefix.replace(/[\\%_]/g, '\\$&')}%`))
        .orderBy('name')
        .execute()
    },
  }
}
