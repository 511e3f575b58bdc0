import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { Secret } from '../../src/secret.ts'
import { openPostgresStore } from '../../src/store/postgres/open.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const CUT = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'latchkey session'`

describe('openPostgresStore, twice on one database', () => {
  let postgres: PostgresServer
  let url: string
  let one: Store
  let other: Store
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(async () => await postgres[Symbol.asyncDispose]())
  beforeEach(async () => {
    url = await postgres.createDatabase()
    one = await openPostgresStore(new Secret(url))
    other = await openPostgresStore(new Secret(url))
  })
  afterEach(async () => {
    await Promise.all([one.close(), other.close()])
  })

  it('T64: lets one work of a key run at a time, in both, and none is left out', async () => {
    let running = 0
    let most = 0
    let runs = 0
    const work = async () => {
      running += 1
      most = Math.max(most, running)
      await one.accounts.get('ca_1')
      runs += 1
      running -= 1
    }
    await Promise.all(Array.from({ length: 60 }, (_, index) => (index % 2 ? one : other).locks.hold('key', work)))
    expect({ most, runs }).toEqual({ most: 1, runs: 60 })
  })

  it('lets works of two hundred keys run at once', async () => {
    const taken = await Promise.all(Array.from({ length: 200 }, (_, index) => take(one, `key-${index}`)))
    expect(await other.accounts.get('ca_1')).toBeUndefined()
    expect(await other.locks.holdIfFree('key-7', async () => 'got it')).toBeUndefined()
    for (const { letGo } of taken) letGo()
    await Promise.all(taken.map(({ done }) => done))
    await expect.poll(() => other.locks.holdIfFree('key-7', async () => 'got it')).toBe('got it')
  })

  it('gives the key to the other when the work fails', async () => {
    const failing = one.locks.hold('key', () => Promise.reject(new Error('it failed')))
    await expect(failing).rejects.toThrow('it failed')
    expect(await other.locks.hold('key', async () => 'got it')).toBe('got it')
  })

  it('gives the key to the other when the session of its holder is gone, and takes keys again afterwards', async () => {
    const { letGo, done } = await take(one, 'key')
    await postgres.query(CUT, url)
    expect(await other.locks.hold('key', async () => 'got it')).toBe('got it')
    letGo()
    await done
    expect(await one.locks.hold('key', async () => 'again')).toBe('again')
  })

  it('says whether it is woken up, and is again after the connection was lost', async () => {
    expect(other.isListening()).toBe(false)
    const stop = other.listen(() => undefined)
    await expect.poll(() => other.isListening()).toBe(true)
    const name = new URL(url).pathname.slice(1)
    await postgres.query(`alter database "${name}" with allow_connections false`)
    await postgres.query(CUT)
    await expect.poll(() => other.isListening()).toBe(false)
    await postgres.query(`alter database "${name}" with allow_connections true`)
    await expect.poll(() => other.isListening()).toBe(true)
    await stop()
    expect(other.isListening()).toBe(false)
  })

  it('lets whoever reads go on while more transactions wait than there are connections', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
    const first = one.transaction(async () => await held)
    const waiting = Array.from({ length: 30 }, () =>
      other.transaction(async (inner) => await inner.events.latestSequence()),
    )
    expect(await other.accounts.get('ca_1')).toBeUndefined()
    letGo()
    await Promise.all([first, ...waiting])
  })

  it('wakes the other up when an event or a change is committed, and not when it is rolled back', async () => {
    let wakeUps = 0
    const stop = other.listen(() => void (wakeUps += 1))
    // It is woken up once when it is connected.
    await expect.poll(() => wakeUps).toBe(1)
    const failing = one.transaction(async (inner) => {
      await inner.changes.append({ kind: 'user', subject: 'anna', occurredAt: AT })
      throw new Error('undone')
    })
    await expect(failing).rejects.toThrow('undone')
    await one.changes.append({ kind: 'user', subject: 'anna', occurredAt: AT })
    await expect.poll(() => wakeUps).toBe(2)
    await stop()
    await one.changes.append({ kind: 'user', subject: 'anna', occurredAt: AT })
    expect(await postgres.query(`select * from pg_stat_activity where query like 'listen%'`, url)).toEqual([])
    expect(wakeUps).toBe(2)
  })

  it('listens again when its connection was cut, and is woken up for what it may have missed', async () => {
    let wakeUps = 0
    const stop = other.listen(() => void (wakeUps += 1))
    await expect.poll(() => wakeUps).toBe(1)
    await postgres.query(CUT, url)
    await expect.poll(() => wakeUps).toBe(2)
    await one.changes.append({ kind: 'user', subject: 'anna', occurredAt: AT })
    await expect.poll(() => wakeUps).toBe(3)
    await stop()
  })
})

/** Takes the key, and keeps it until it is told to let go. */
async function take(store: Store, key: string) {
  const taken = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const done = store.locks.hold(key, async () => {
    taken.resolve()
    await release.promise
  })
  await taken.promise
  return { letGo: release.resolve, done }
}
