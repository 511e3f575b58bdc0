import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { Secret } from '../../src/secret.ts'
import { initial } from '../../src/store/migrations/0001_initial.ts'
import type { ColumnTypes } from '../../src/store/migrations/columnTypes.ts'
import { columnTypes as postgresTypes } from '../../src/store/postgres/columnTypes.ts'
import { LatchkeyPostgresDialect } from '../../src/store/postgres/dialect.ts'
import { openPostgresStore } from '../../src/store/postgres/open.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { columnTypes as sqliteTypes } from '../../src/store/sqlite/columnTypes.ts'
import { NodeSqliteDialect } from '../../src/store/sqlite/dialect.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'

/** Rows of every table, as the first version left them. */
const ROWS = [
  `insert into connections values ('conn_1', 'mail', 1)`,
  `insert into configs values ('cfg_1', 'agent', 'Reads mail', '[{"connectionId":"conn_1","tools":["read"]}]', 1, 2)`,
  `insert into instances values ('ins_1', 'agent', 'cfg_1', 'anna', 3, 'k1', 1, 2, null)`,
  `insert into connected_accounts values ('ca_1', 'conn_1', 'anna', 'ACTIVE', 4, null, 1, 2)`,
  `insert into auth_links values ('lnk_1', 'ca_1', 'hash', 1, 2, null)`,
  `insert into auth_flows values ('state', 'lnk_1', 'ca_1', 'x', 'browser', 2, 0)`,
  `insert into oauth_clients values ('https://as.example', 'https://latchkey.example/cb', 'client', null, '{}')`,
  `insert into events (id, account_id, user_identifier, connection_id, status, old_status, occurred_at)
   values ('evt_1', 'ca_1', 'anna', 'conn_1', 'ACTIVE', 'PENDING_AUTH', 2)`,
  `insert into settings values ('canary/k1', 'x')`,
]

let postgres: PostgresServer
let folder: string
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => await postgres[Symbol.asyncDispose]())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-upgrade-'))
})
afterEach(async () => await rm(folder, { recursive: true }))

describe('the upgrade from the first version', () => {
  it.each(['SQLite', 'Postgres'])('keeps everything on %s', async (kind) => {
    const store = kind === 'SQLite' ? await upgradeSqlite(join(folder, 'latchkey.db')) : await upgradePostgres()
    expect(await store.connections.ensure({ id: 'conn_2', name: 'mail', createdAt: new Date(0) })).toBe('conn_1')
    expect(await store.configs.getByName('agent')).toMatchObject({
      id: 'cfg_1',
      mappings: [{ connectionId: 'conn_1', tools: ['read'] }],
    })
    expect(await store.instances.find('cfg_1', 'anna')).toMatchObject({ id: 'ins_1', urlVersion: 3, urlKeyId: 'k1' })
    const [account] = await store.accounts.listForUser('anna', ['conn_1'])
    expect(account).toMatchObject({ id: 'ca_1', status: 'ACTIVE', generation: 4, updatedAt: new Date(2) })
    expect(await store.links.findByTokenHash('hash')).toMatchObject({ id: 'lnk_1' })
    expect(await store.flows.find('state')).toMatchObject({ linkId: 'lnk_1', consumed: false })
    const key = { issuer: 'https://as.example', redirectUri: 'https://latchkey.example/cb' }
    expect(await store.registrations.get(key)).toMatchObject({ clientId: 'client' })
    const events = await store.events.after(0, 'anna', 10)
    expect(events).toMatchObject([{ id: 'evt_1', sequence: 1 }])
    expect(await store.settings.list('canary/')).toHaveLength(1)
    // Places in the log go on where they were.
    expect(await store.events.append(anEvent)).toMatchObject({ sequence: 2 })
    expect(await store.revocations.epoch('anna', 'cfg_1')).toBe(0)
    await store.close()
  })

  it('refuses a file that a newer version has used, saying so', async () => {
    const path = join(folder, 'latchkey.db')
    await (await openSqliteStore(path)).close()
    withFile(path, (database) => database.exec("insert into kysely_migration values ('9999_future', '2030-01-01')"))
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/newer version/),
    })
  })
})

describe('a backup of SQLite', () => {
  it('holds everything that was committed before it, though the gateway goes on meanwhile', async () => {
    const path = join(folder, 'latchkey.db')
    const store = await openSqliteStore(path)
    for (let index = 0; index < 100; index += 1) await note(store, index)
    const stop = new AbortController()
    const writing = writeUntil(stop.signal, store)
    // In a process of its own, as the page about operations says.
    const script = `new (require('node:sqlite').DatabaseSync)('${path}').exec("vacuum into '${join(folder, 'backup.db')}'")`
    await promisify(execFile)(process.execPath, ['-e', script])
    stop.abort()
    await writing
    await store.close()

    const restored = await openSqliteStore(join(folder, 'backup.db'))
    const changes = await restored.changes.after(0, 10_000)
    expect(changes.length).toBeGreaterThanOrEqual(100)
    expect(changes.map(({ subject }) => subject)).toEqual(changes.map((_, index) => `cfg_${index}`))
    await note(restored, changes.length)
    await restored.close()
  })
})

describe('a copy of a Postgres database', () => {
  it('holds everything, and places in the log go on where they were', async () => {
    const url = await postgres.createDatabase()
    const store = await openPostgresStore(new Secret(url))
    for (let index = 0; index < 3; index += 1) await note(store, index)
    await store.close()
    const name = new URL(url).pathname.slice(1)
    await postgres.query(`create database ${name}_copy template ${name}`)

    const copy = await openPostgresStore(new Secret(`${url}_copy`))
    await note(copy, 3)
    expect((await copy.changes.after(0, 10)).map(({ subject }) => subject)).toEqual([
      'cfg_0',
      'cfg_1',
      'cfg_2',
      'cfg_3',
    ])
    await copy.close()
  })
})

const anEvent = {
  id: 'evt_2',
  accountId: 'ca_1',
  userIdentifier: 'anna',
  connectionId: 'conn_1',
  status: 'EXPIRED',
  oldStatus: 'ACTIVE',
  occurredAt: new Date(3),
} as const

async function writeUntil(signal: AbortSignal, store: Store): Promise<void> {
  for (let index = 100; !signal.aborted; index += 1) {
    await note(store, index)
    // SQLite answers at once: without this nothing else in the process would have its turn.
    await setImmediate()
  }
}

async function note(store: Store, index: number): Promise<void> {
  await store.changes.append({ kind: 'config', subject: `cfg_${index}`, occurredAt: new Date(0) })
}

function withFile(path: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  try {
    work(database)
  } finally {
    database.close()
  }
}

async function upgradeSqlite(path: string): Promise<Store> {
  const database = new DatabaseSync(path)
  await makeFirst(new Kysely<unknown>({ dialect: new NodeSqliteDialect(database) }), sqliteTypes, (sql) =>
    Promise.resolve(database.exec(sql)),
  )
  return await openSqliteStore(path)
}

async function upgradePostgres(): Promise<Store> {
  const url = await postgres.createDatabase()
  const pool = createPool(new Secret(url), 2)
  const db = new Kysely<unknown>({ dialect: new LatchkeyPostgresDialect({ pool, begin: 'begin' }) })
  await makeFirst(db, postgresTypes, (sql) => pool.query(sql))
  return await openPostgresStore(new Secret(url))
}

/** The layout of the first version, with its rows. */
async function makeFirst(db: Kysely<unknown>, types: ColumnTypes, run: (sql: string) => Promise<unknown>) {
  const first = { '0001_initial': { up: async (within: Kysely<unknown>) => await initial(within, types) } }
  const provider = { getMigrations: () => Promise.resolve(first) }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  expect(error).toBeUndefined()
  for (const row of ROWS) await run(row)
  await db.destroy()
}
