import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Kysely, type CompiledQuery, type LogEvent } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { Secret } from '../../src/secret.ts'
import type { Schema } from '../../src/store/schema.ts'
import type { Store } from '../../src/store/store.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { createStore, type Engine } from '../../src/store/queries/createStore.ts'
import { columnTypes as postgresTypes } from '../../src/store/postgres/columnTypes.ts'
import { LatchkeyPostgresDialect } from '../../src/store/postgres/dialect.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { columnTypes as sqliteTypes } from '../../src/store/sqlite/columnTypes.ts'
import { NodeSqliteDialect } from '../../src/store/sqlite/dialect.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const ROWS = 2_000

/** What a request of an app or of an agent asks the store, and what only has to stay quick as the tables grow. */
const READS: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  'ensure: find': ({ instances }) => instances.find('cfg_7', 'user-7'),
  'ensure: epoch': ({ revocations }) => revocations.epoch('user-7', 'cfg_7'),
  'ensure: config by name': ({ configs }) => configs.getByName('config-7'),
  'auth state': ({ accounts }) => accounts.listForUser('user-7', ['conn_1', 'conn_2']),
  'auth state: one account': ({ accounts }) => accounts.get('ca_7'),
  'endpoint: instance': ({ instances }) => instances.get('ins_7'),
  'endpoint: config': ({ configs }) => configs.get('cfg_7'),
  'call: credential': ({ accounts }) => accounts.readCredential('ca_7'),
  'connect: link': ({ links }) => links.findByTokenHash('hash-7'),
  'connect: flow': ({ flows }) => flows.find('state-7'),
  'events of one user': ({ events }) => events.after(7, 'user-7', 100),
  'the latest event': ({ events }) => events.latestSequence(),
  'changes since': ({ changes }) => changes.after(ROWS - 7, 100),
  'the latest change': ({ changes }) => changes.latestSequence(),
  'a page of instances': ({ instances }) => instances.list({ after: 'ins_7', limit: 31 }),
  "a page of one user's instances": ({ instances }) => instances.list({ userIdentifier: 'user-7', limit: 31 }),
  "a page of one user's accounts": ({ accounts }) => accounts.list({ userIdentifier: 'user-7', limit: 31 }),
  'a page of configs': ({ configs }) => configs.list({ after: 'config-7', limit: 31 }),
}

const WRITES: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  'a status': ({ accounts }) =>
    accounts.setStatus({ id: 'ca_7', userIdentifier: 'user-7', generation: 0 }, 'EXPIRED', AT),
  'a URL': ({ instances }) => instances.rotateUrl({ id: 'ins_7', userIdentifier: 'user-7' }, 1, 'k1', AT),
  'the time of use': ({ instances }) => instances.touch(['ins_7', 'ins_8'], AT),
  'a link that is used': ({ links }) => links.consume('lnk_7', new Date(0)),
  'a flow that is used': ({ flows }) => flows.consume('state-7'),
  'an instance that goes': ({ instances }) => instances.delete({ id: 'ins_9', userIdentifier: 'user-9' }),
  'an account that goes': ({ accounts }) => accounts.delete({ id: 'ca_9', userIdentifier: 'user-9', generation: 0 }),
  'a config that goes': ({ configs }) => configs.delete('cfg_9'),
  'what has expired': (store) => store.forgetExpired(new Date(1)),
}

/** A store whose statements can be looked at. */
interface Watched extends AsyncDisposable {
  readonly store: Store
  readonly statements: CompiledQuery[]
  /** How the database would carry the statement out. */
  readonly plan: (statement: CompiledQuery) => Promise<string>
  /** What a plan says of a table that is read from one end to the other. */
  readonly scan: RegExp
}

describe.each([
  ['SQLite', watchSqlite],
  ['Postgres', watchPostgres],
])('the queries of the store on %s', (_, watch) => {
  let watched: Watched
  beforeAll(async () => {
    watched = await watch()
  })
  afterAll(async () => await watched[Symbol.asyncDispose]())

  it.each(Object.keys({ ...READS, ...WRITES }))('use an index for %s', async (name) => {
    const { store, statements, plan, scan } = watched
    statements.splice(0)
    await { ...READS, ...WRITES }[name]?.(store)
    const asked = statements.filter(({ sql }) => /^(?:select|update|delete)\b.*\bwhere\b|max\(/.test(sql))
    expect(asked.length).toBeGreaterThan(0)
    for (const statement of asked) expect(await plan(statement)).not.toMatch(scan)
  })

  it('would be seen to read a whole table', async () => {
    const { store, statements, plan, scan } = watched
    statements.splice(0)
    await store.instances.count({ search: 'x' })
    const [statement] = statements
    expect(statement && (await plan(statement))).toMatch(scan)
  })
})

const ENGINE: Engine = {
  locks: { hold: async (_key, work) => await work(), holdIfFree: async (_key, work) => await work() },
  listen: () => () => Promise.resolve(),
  isListening: () => true,
  scrub: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

function watching(statements: CompiledQuery[]) {
  return ({ level, query }: LogEvent): void => {
    if (level === 'query') statements.push(query)
  }
}

async function watchSqlite(): Promise<Watched> {
  const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: true })
  const statements: CompiledQuery[] = []
  const db = new Kysely<Schema>({ dialect: new NodeSqliteDialect(database), log: watching(statements) })
  await migrate(db, sqliteTypes)
  await fill(db)
  database.exec('analyze')
  const store = createStore(db, ENGINE)
  const plan = ({ sql, parameters }: CompiledQuery) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they come from statements that were carried out
    const rows = database.prepare(`explain query plan ${sql}`).all(...(parameters as SQLInputValue[]))
    return Promise.resolve(rows.map(({ detail }) => String(detail)).join('\n'))
  }
  return {
    store,
    statements,
    plan,
    scan: /^SCAN (?!.*USING (?:COVERING )?INDEX)/m,
    [Symbol.asyncDispose]: () => store.close(),
  }
}

async function watchPostgres(): Promise<Watched> {
  const server = await startPostgres()
  // Where there is no index, a table is read nevertheless; but not because it has few rows.
  const url = `${await server.createDatabase()}?options=-c%20enable_seqscan%3Doff`
  const pool = createPool(new Secret(url), 2)
  const statements: CompiledQuery[] = []
  const dialect = new LatchkeyPostgresDialect({ pool, begin: 'begin' })
  const db = new Kysely<Schema>({ dialect, log: watching(statements) })
  await migrate(db, postgresTypes)
  await fill(db)
  await pool.query('analyze')
  const store = createStore(db, ENGINE)
  const plan = async ({ sql, parameters }: CompiledQuery) => {
    const { rows } = await pool.query<Record<string, string>>(`explain (costs off) ${sql}`, [...parameters])
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const close = async () => {
    await store.close()
    await server[Symbol.asyncDispose]()
  }
  return { store, statements, plan, scan: /Seq Scan/, [Symbol.asyncDispose]: close }
}

/** As many rows as a planner needs to see that reading all of them is slower. */
async function fill(db: Kysely<Schema>): Promise<void> {
  const numbers = Array.from({ length: ROWS }, (_, index) => index)
  await db.insertInto('connections').values({ id: 'conn_1', name: 'mail', created_at: 0 }).execute()
  for (let first = 0; first < ROWS; first += 500) {
    const some = numbers.slice(first, first + 500)
    await db.insertInto('configs').values(some.map(aConfig)).execute()
    await db.insertInto('instances').values(some.map(anInstance)).execute()
    await db.insertInto('connected_accounts').values(some.map(anAccount)).execute()
    await db.insertInto('auth_links').values(some.map(aLink)).execute()
    await db.insertInto('auth_flows').values(some.map(aFlow)).execute()
    await db.insertInto('events').values(some.map(anEvent)).execute()
    await db.insertInto('changes').values(some.map(aChange)).execute()
    await db.insertInto('revocations').values(some.map(aRevocation)).execute()
  }
}

const aConfig = (n: number) => ({
  id: `cfg_${n}`,
  name: `config-${n}`,
  mappings: '[]',
  description: null,
  created_at: 0,
  updated_at: 0,
})

const anInstance = (n: number) => ({
  id: `ins_${n}`,
  name: 'An instance',
  config_id: `cfg_${n}`,
  user_identifier: `user-${n}`,
  url_version: 1,
  url_key_id: 'k1',
  created_at: 0,
  updated_at: 0,
})

const anAccount = (n: number) => ({
  id: `ca_${n}`,
  connection_id: 'conn_1',
  user_identifier: `user-${n}`,
  status: 'ACTIVE' as const,
  generation: 0,
  refresh_failures: 0,
  created_at: 0,
  updated_at: 0,
})

const aLink = (n: number) => ({
  id: `lnk_${n}`,
  account_id: `ca_${n}`,
  token_hash: `hash-${n}`,
  created_at: 0,
  expires_at: n,
})

const aFlow = (n: number) => ({
  state_hash: `state-${n}`,
  link_id: `lnk_${n}`,
  account_id: `ca_${n}`,
  sealed_attempt: new Uint8Array(),
  browser_hash: '',
  expires_at: n,
  consumed: 0,
})

const anEvent = (n: number) => ({
  id: `evt_${n}`,
  account_id: `ca_${n}`,
  user_identifier: `user-${n}`,
  connection_id: 'conn_1',
  status: 'ACTIVE' as const,
  old_status: 'EXPIRED' as const,
  occurred_at: n,
})

const aChange = (n: number) => ({ kind: 'config' as const, subject: `cfg_${n}`, occurred_at: n })

const aRevocation = (n: number) => ({ user_identifier: `user-${n}`, config_id: `cfg_${n}`, epoch: 1, revoked_at: 0 })
