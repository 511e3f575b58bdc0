import type { PostgresServer } from '@latchkey/test/fixtures'

/**
 * Puts this many users with an instance and an account each straight into the tables. Ids come in no order, as ours do; in
 * place of a sealed credential there is something as long.
 */
export async function fillPostgres({ query }: PostgresServer, url: string, count: number): Promise<void> {
  await query(
    `insert into instances (id, name, config_id, user_identifier, url_version, url_key_id, created_at, updated_at)
     select 'ins_' || md5(n::text), 'reader', configs.id, 'user-' || n, 1, 'k1', 0, 0
     from generate_series(0, ${count - 1}) as n, configs`,
    url,
  )
  await query(
    `insert into connected_accounts (id, connection_id, user_identifier, status, generation, sealed_credential, created_at, updated_at)
     select 'ca_' || md5(n::text), connections.id, 'user-' || n, 'ACTIVE', 1, decode(repeat('00', 400), 'hex'), 0, 0
     from generate_series(0, ${count - 1}) as n, connections`,
    url,
  )
  // What a server does by itself some time after so many rows; and then nothing of it is left to be done meanwhile.
  await query('vacuum analyze', url)
  await query('checkpoint')
}
