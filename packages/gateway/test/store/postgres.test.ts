import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { Secret } from '../../src/secret.ts'
import { openPostgresStore } from '../../src/store/postgres/open.ts'
import { describeStore } from './describeStore.ts'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => await postgres[Symbol.asyncDispose]())

describeStore('openPostgresStore', async () => openPostgresStore(new Secret(await postgres.createDatabase())))

describe('openPostgresStore', () => {
  it('brings a new database to its layout when five processes open it at the same time', async () => {
    const url = new Secret(await postgres.createDatabase())
    const stores = await Promise.all(Array.from({ length: 5 }, async () => await openPostgresStore(url)))
    const ids = await Promise.all(
      stores.map((store, index) =>
        store.connections.ensure({ id: `conn_${index}`, name: 'mail', createdAt: new Date(0) }),
      ),
    )
    expect(new Set(ids).size).toBe(1)
    for (const store of stores) await store.close()
  })
})
