import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { formatKeyRing, type KeyRing } from '../../src/keys/keyRing.ts'
import { Secret } from '../../src/secret.ts'
import { type DatabaseLocation, openStore } from '../../src/store/openStore.ts'
import { sealedColumns } from '../../src/store/sealedColumns.ts'
import type { Store } from '../../src/store/store.ts'
import { checkKeys } from '../../src/vault/checkKeys.ts'
import { createReencryption, QUIET_MS } from '../../src/vault/reencryption.ts'
import { createVault } from '../../src/vault/vault.ts'
import { aRing } from '../keys/ring.ts'
import { heldInFiles } from './filesHold.ts'

const OLD = aRing(['k1', 1])
const BOTH = aRing(['k2', 2], ['k1', 1])
const NEW = aRing(['k2', 2])
const START = Date.parse('2026-07-28T10:00:00Z')

let postgres: PostgresServer
let folder: string
let location: DatabaseLocation
let store: Store
let now: number
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())
beforeEach(async () => {
  now = START
  folder = await mkdtemp(join(tmpdir(), 'latchkey-keys-'))
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

async function openSqlite(): Promise<void> {
  location = { kind: 'sqlite', path: join(folder, 'latchkey.db') }
  store = await openStore(location)
}

async function openPostgres(): Promise<void> {
  location = { kind: 'postgres', url: new Secret(await postgres.createDatabase()) }
  store = await openStore(location)
}

const clock = () => now
/** What a gateway does when it starts with these keys. */
const start = (keys: KeyRing) => checkKeys({ ringKeys: store.ringKeys, ring: 'encryption', keys, clock })
const reencryption = (keys: KeyRing) => createReencryption({ store, vault: createVault(keys), keys, clock, pauseMs: 0 })

const context = (id: string, generation: number) => ['connected_accounts', id, String(generation)]
const idOf = (n: number) => `ca_${String(n).padStart(4, '0')}`

async function addAccounts(count: number): Promise<void> {
  const at = new Date(now)
  await store.transaction(async (within) => {
    const connectionId = await within.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: at })
    const common = { connectionId, generation: 0, createdAt: at, updatedAt: at, status: 'PENDING_AUTH' } as const
    for (let n = 0; n < count; n++) {
      await within.accounts.insertMissing([{ ...common, id: idOf(n), userIdentifier: `user_${n}` }])
      await write(n, 0, OLD, within)
    }
  })
}

async function write(n: number, generation: number, keys: KeyRing, within: Store = store): Promise<boolean> {
  const id = idOf(n)
  const sealed = createVault(keys).seal(`secret of ${id}`, context(id, generation + 1))
  const key = { id, userIdentifier: `user_${n}`, generation }
  return await within.accounts.setCredential(key, { sealed, status: 'ACTIVE', at: new Date(now) })
}

async function read(n: number, keys: KeyRing): Promise<string> {
  const found = await store.accounts.readCredential(idOf(n))
  if (found === undefined) throw new Error('There is no credential')
  return createVault(keys).open(found.sealed, context(found.account.id, found.account.generation))
}

async function readAll(count: number, keys: KeyRing): Promise<number> {
  let opened = 0
  for (let n = 0; n < count; n++) if ((await read(n, keys)) === `secret of ${idOf(n)}`) opened += 1
  return opened
}

/** The keys of the values as the database holds them now, wrapped. */
async function wrappedKeys(count: number): Promise<Uint8Array[]> {
  const all = await Promise.all(Array.from({ length: count }, (_, n) => store.accounts.readCredential(idOf(n))))
  return all.flatMap((found) => (found === undefined ? [] : [Uint8Array.from(found.sealed.subarray(4, 64))]))
}

describe('sealedColumns', () => {
  beforeEach(openSqlite)

  it('names every column whose name says that it is sealed, and its primary key', () => {
    const database = new DatabaseSync(join(folder, 'latchkey.db'))
    const rows = database
      .prepare(
        `select t.name as "table", c.name as "column" from sqlite_schema t join pragma_table_info(t.name) c
         where t.type = 'table' and c.name like 'sealed\\_%' escape '\\'`,
      )
      .all()
    const key = database.prepare('select name from pragma_table_info(?) where pk > 0 order by pk')
    const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`)
    expect(listed.toSorted()).toEqual(rows.map((row) => `${String(row['table'])}.${String(row['column'])}`).toSorted())
    for (const { table, key: columns } of sealedColumns) {
      expect(key.all(table).map(({ name }) => name)).toEqual(columns)
    }
    database.close()
  })
})

describe.each([
  ['SQLite', openSqlite],
  ['Postgres', openPostgres],
])('createReencryption on %s', (_, open) => {
  beforeEach(open)

  it('T62: brings every value under the current key, and retires the old one once nobody writes with it', async () => {
    await start(OLD)
    await addAccounts(120)
    await start(BOTH)
    expect(await reencryption(BOTH).run()).toMatchObject({ rewrapped: 120, retired: [], waitingFor: ['k1'] })
    expect(await readAll(120, NEW)).toBe(120)
    await expect(start(NEW)).rejects.toThrow(/"k1"/)
    now += QUIET_MS
    expect(await reencryption(BOTH).run()).toMatchObject({ rewrapped: 0, retired: ['k1'], waitingFor: [] })
    await start(NEW)
    expect(await readAll(120, NEW)).toBe(120)
  })

  it('T62: refuses the old key alone, and as the current one, after it was retired', async () => {
    await start(OLD)
    await start(BOTH)
    now += QUIET_MS
    await reencryption(BOTH).run()
    await expect(start(OLD)).rejects.toThrow(/"k1".*was replaced and given up on 2026-07-28/)
    await expect(start(aRing(['k1', 1], ['k2', 2]))).rejects.toThrow(/"k1".*was replaced and given up on 2026-07-28/)
  })

  it('keeps an old key while another gateway says that it writes with it', async () => {
    await start(OLD)
    await addAccounts(3)
    await start(BOTH)
    for (let minute = 0; minute < 5; minute++) {
      now += 60_000
      await store.ringKeys.see({ ring: 'encryption', keyId: 'k1' }, new Date(now))
      await write(0, minute + 1, OLD)
      expect(await reencryption(BOTH).run()).toMatchObject({ retired: [], waitingFor: ['k1'] })
    }
    now += QUIET_MS
    expect(await reencryption(BOTH).run()).toMatchObject({ retired: ['k1'] })
    expect(await readAll(3, NEW)).toBe(3)
  })

  it('takes a key back as needed that a gateway names after all', async () => {
    await start(OLD)
    await start(BOTH)
    now += QUIET_MS
    await reencryption(BOTH).run()
    await store.ringKeys.see({ ring: 'encryption', keyId: 'k1' }, new Date(now))
    await expect(start(NEW)).rejects.toThrow(/"k1"/)
  })

  it('leaves everything to the gateway with the newest key', async () => {
    await start(OLD)
    await addAccounts(3)
    now += 1
    await start(BOTH)
    await reencryption(BOTH).run()
    const backwards = aRing(['k1', 1], ['k2', 2])
    await start(backwards)
    expect(await reencryption(backwards).run()).toMatchObject({ rewrapped: 0, retired: [], waitingFor: ['k2'] })
    expect(await reencryption(BOTH).counts()).toEqual([{ keyId: 'k2', values: 3 }])
  })

  it('counts the values of each key', async () => {
    await start(OLD)
    await addAccounts(5)
    await start(BOTH)
    await write(0, 1, BOTH)
    expect(await reencryption(BOTH).counts()).toEqual([
      { keyId: 'k2', values: 1 },
      { keyId: 'k1', values: 4 },
    ])
  })

  it('goes on where it was stopped', async () => {
    await start(OLD)
    await addAccounts(120)
    await start(BOTH)
    const stopping = new AbortController()
    const run = createReencryption({ store, vault: createVault(BOTH), keys: BOTH, clock, pauseMs: 5 })
    const stopped = run.run(stopping.signal)
    stopping.abort()
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' })
    const counts = await run.counts()
    expect(counts.reduce((sum, { values }) => sum + values, 0)).toBe(120)
    await run.run()
    expect(await readAll(120, NEW)).toBe(120)
  })

  it('does not undo what is written meanwhile', async () => {
    await start(OLD)
    await addAccounts(40)
    await start(BOTH)
    const [, ...written] = await Promise.all([
      reencryption(BOTH).run(),
      ...Array.from({ length: 40 }, (__, n) => write(n, 1, n % 2 ? OLD : BOTH)),
    ])
    expect(written).toEqual(Array.from({ length: 40 }, () => true))
    await Promise.all([reencryption(BOTH).run(), reencryption(BOTH).run()])
    expect(await readAll(40, NEW)).toBe(40)
  })

  it('leaves damaged values as they are, counts them, and brings the others over', async () => {
    await start(OLD)
    await addAccounts(3)
    const found = await store.accounts.readCredential(idOf(1))
    const sealed = Uint8Array.from(found!.sealed)
    sealed[10] = (sealed[10] ?? 0) ^ 1
    const key = { id: idOf(1), userIdentifier: 'user_1', generation: 1 }
    await store.accounts.setCredential(key, { sealed, status: 'ACTIVE', at: new Date(now) })
    now += QUIET_MS
    await start(BOTH)
    expect(await reencryption(BOTH).run()).toMatchObject({ rewrapped: 2, unreadable: 1, retired: ['k1'] })
    await expect(read(1, NEW)).rejects.toThrow(/could not be opened/)
    expect(await read(2, NEW)).toBe(`secret of ${idOf(2)}`)
  })

  it('T62: rotates under load while it is killed again and again, and no value is ever unreadable', async () => {
    const ACCOUNTS = 300
    const KILLS = 10
    await start(OLD)
    await addAccounts(ACCOUNTS)
    await start(BOTH)
    const load = { stopped: false, reads: 0, writes: 0, errors: 0 }
    const loading = keepWriting(load, ACCOUNTS)
    for (let kill = 0; kill < KILLS; kill++) await reencryptAndKill((kill * 7) % 40)
    load.stopped = true
    await loading
    expect(load.errors).toBe(0)
    expect(load.reads).toBeGreaterThan(KILLS)
    expect(load.writes).toBeGreaterThan(KILLS)
    now += QUIET_MS
    expect(await reencryption(BOTH).run()).toMatchObject({ unreadable: 0, retired: ['k1'] })
    await start(NEW)
    expect(await readAll(ACCOUNTS, NEW)).toBe(ACCOUNTS)
  }, 120_000)
})

describe('createReencryption on files', () => {
  beforeEach(openSqlite)

  it('T68: leaves nothing in the files that the old key opens', async () => {
    await start(OLD)
    await addAccounts(60)
    const before = await wrappedKeys(60)
    expect(await heldInFiles(folder, before)).toHaveLength(60)
    await start(BOTH)
    await reencryption(BOTH).run()
    expect(await heldInFiles(folder, await wrappedKeys(60))).toHaveLength(60)
    expect(await heldInFiles(folder, before)).toEqual([])
  })
})

/** A gateway that has both keys, and still writes with the old one. */
async function keepWriting(load: { stopped: boolean; reads: number; writes: number; errors: number }, count: number) {
  for (let n = 0; !load.stopped; n = (n + 7) % count) {
    const found = await store.accounts.readCredential(idOf(n))
    await read(n, BOTH).then(
      () => (load.reads += 1),
      () => (load.errors += 1),
    )
    if (await write(n, found?.account.generation ?? 0, OLD)) load.writes += 1
    // Lets the timers of the test go on: SQLite answers at once.
    await delay(1)
  }
}

async function reencryptAndKill(afterMs: number): Promise<void> {
  const script = fileURLToPath(new URL('reencryptForever.ts', import.meta.url))
  const database = location.kind === 'sqlite' ? location.path : location.url.reveal()
  const child = spawn(process.execPath, [script, database, formatKeyRing(BOTH), String(now)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), gone])
  await delay(afterMs)
  child.kill('SIGKILL')
  expect(await gone).toEqual([null, 'SIGKILL'])
}
