import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import type { Change } from '../../src/domain.ts'
import { Secret } from '../../src/secret.ts'
import { openPostgresStore } from '../../src/store/postgres/open.ts'
import type { Store } from '../../src/store/store.ts'
import { describeStore } from './describeStore.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => await postgres[Symbol.asyncDispose]())

describeStore('openPostgresStore', async () => openPostgresStore(new Secret(await postgres.createDatabase())))

describe('openPostgresStore', () => {
  it('brings a new database to its layout when five processes open it at the same time', async () => {
    const url = new Secret(await postgres.createDatabase())
    const stores = await Promise.all(Array.from({ length: 5 }, () => openPostgresStore(url)))
    const ids = await Promise.all(
      stores.map((store, index) => store.connections.ensure({ id: `conn_${index}`, name: 'mail', createdAt: AT })),
    )
    expect(new Set(ids).size).toBe(1)
    for (const store of stores) await store.close()
  })

  it('remembers across restarts', async () => {
    const url = new Secret(await postgres.createDatabase())
    const before = await openPostgresStore(url)
    await before.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
    await before.close()
    const after = await openPostgresStore(url)
    expect(await after.connections.ensure({ id: 'conn_2', name: 'mail', createdAt: AT })).toBe('conn_1')
    await after.close()
  })

  it.each([
    ['a server that is not there', 'postgres://u:canary-password@127.0.0.1:1/x', /cannot be reached/],
    ['a wrong password', undefined, /cannot be reached \(password authentication failed/],
  ])('refuses %s, and repeats no password', async (_, url, message) => {
    const right = await postgres.createDatabase()
    const wrong = url ?? right.replace(/:[^:@/]+@/, ':canary-password@')
    const error: unknown = await openPostgresStore(new Secret(wrong)).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringMatching(message) })
    expect(inspect(error, { depth: 10 })).not.toContain('canary-password')
  })

  it('lets transactions of several processes not interleave', async () => {
    await using opened = await openThree()
    const [first] = opened.stores
    const config = { id: 'cfg_a', name: 'agent', mappings: [], createdAt: AT, updatedAt: AT }
    await first.configs.insert({ ...config, description: '0' })
    const increment = (store: Store) =>
      store.transaction(async (inner) => {
        const before = Number((await inner.configs.get('cfg_a'))?.description)
        await inner.configs.update('cfg_a', { description: String(before + 1), mappings: [], updatedAt: AT })
      })
    await Promise.all(Array.from({ length: 90 }, (_, index) => increment(opened.store(index))))
    expect((await first.configs.get('cfg_a'))?.description).toBe('90')
  })

  it('never shows a change before one that has an earlier place in the log', async () => {
    await using opened = await openThree()
    const total = 300
    const appended = Promise.all(Array.from({ length: total }, (_, index) => append(opened.store(index), index)))
    const seen: Change[] = []
    while (seen.length < total) {
      seen.push(...(await opened.store(2).changes.after(seen.at(-1)?.sequence ?? 0, 7)))
    }
    await appended
    expect(new Set(seen.map(({ subject }) => subject)).size).toBe(total)
  })

  it('holds a key once in all processes', async () => {
    await using opened = await openThree()
    let running = 0
    const works = Array.from({ length: 60 }, (_, index) =>
      opened.store(index).locks.hold('key', async () => {
        running += 1
        await opened.store(index).events.latestSequence()
        expect(running).toBe(1)
        running -= 1
      }),
    )
    expect(await Promise.all(works)).toHaveLength(60)
  })

  it('T64: lets a key go when the connection of whoever holds it is cut', async () => {
    await using opened = await openThree()
    const [first, second] = opened.stores
    const next = Promise.withResolvers<string>()
    await first.locks.hold('key', async () => {
      void second.locks.hold('key', () => Promise.resolve('next')).then(next.resolve, next.reject)
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
         and database = (select oid from pg_database where datname = current_database())`,
        opened.url,
      )
      expect(await next.promise).toBe('next')
    })
    // The store has a connection again.
    expect(await first.locks.hold('key', () => Promise.resolve('again'))).toBe('again')
  })

  it('goes on after all of its connections were cut', async () => {
    await using opened = await openThree()
    const [store] = opened.stores
    await Promise.all(Array.from({ length: 10 }, () => store.events.latestSequence()))
    await postgres.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      opened.url,
    )
    await expect
      .poll(async () => await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT }).catch(String))
      .toBe('conn_1')
  })

  it('refuses a database that a newer version has used, saying so', async () => {
    const url = await postgres.createDatabase()
    await (await openPostgresStore(new Secret(url))).close()
    await postgres.query("insert into kysely_migration values ('9999_future', '2030-01-01')", url)
    await expect(openPostgresStore(new Secret(url))).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/newer version/),
    })
  })
})

/** Three stores on one new database, as three processes would have them. */
async function openThree() {
  const url = await postgres.createDatabase()
  const open = () => openPostgresStore(new Secret(url))
  const stores: [Store, Store, Store] = await Promise.all([open(), open(), open()])
  return {
    url,
    stores,
    store: (index: number): Store => stores[index % 3] ?? stores[0],
    [Symbol.asyncDispose]: async () => void (await Promise.all(stores.map((store) => store.close()))),
  }
}

/** In one of the ways that there are. */
async function append(store: Store, index: number): Promise<void> {
  const change = { kind: 'config', subject: `cfg_${index}`, occurredAt: AT } as const
  if (index % 2 === 0) {
    await store.changes.append(change)
  } else {
    await store.transaction(async (inner) => {
      await inner.changes.append(change)
      await inner.configs.getByName('so that it takes a while')
    })
  }
}
