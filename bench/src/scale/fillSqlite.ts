import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

/**
 * Puts this many users with an instance and an account each straight into the tables. Ids come in no order, as ours do; in
 * place of a sealed credential there is something as long.
 */
export function fillSqlite(path: string, count: number): void {
  const database = new DatabaseSync(path)
  try {
    database.exec('pragma synchronous = off; pragma cache_size = -1000000; begin')
    const instance = database.prepare(
      `insert into instances (id, name, config_id, user_identifier, url_version, url_key_id, created_at, updated_at)
       select 'ins_' || ?, 'reader', id, ?, 1, 'k1', 0, 0 from configs`,
    )
    const account = database.prepare(
      `insert into connected_accounts (id, connection_id, user_identifier, status, generation, sealed_credential, created_at, updated_at)
       select 'ca_' || ?, id, ?, 'ACTIVE', 1, zeroblob(400), 0, 0 from connections`,
    )
    for (let index = 0; index < count; index += 1) {
      const id = createHash('md5').update(String(index)).digest('hex')
      instance.run(id, `user-${index}`)
      account.run(id, `user-${index}`)
    }
    database.exec('commit; pragma wal_checkpoint(truncate)')
  } finally {
    database.close()
  }
}
