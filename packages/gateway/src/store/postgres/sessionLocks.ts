import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import type { Secret } from '../../secret.ts'
import { createLocalLocks } from '../localLocks.ts'
import type { LockStore } from '../store.ts'
import { connectClient } from './client.ts'

export interface SessionLocks extends LockStore {
  readonly close: () => Promise<void>
}

/** How often those who wait for another process ask again, all in one query, in milliseconds. */
const ASK_EVERY_MS = 20

/** Keeps these keys apart from whatever else is locked on the database: "refresh" as a number. */
const SEED = 7_306_084
const TRY = `select key, pg_try_advisory_lock(hashtextextended(key, ${SEED})) as locked from unnest($1::text[]) as key`
const RELEASE = `select pg_advisory_unlock(hashtextextended($1, ${SEED}))`

/**
 * Locks of one session, which hold any number of keys on one connection: one slow authorization server takes nothing away
 * from all the others. Advisory locks of a session end with it, and so with the process.
 * https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export function createSessionLocks(url: Secret): SessionLocks {
  // A session may take its own lock again, so the process keeps its own order first.
  const local = createLocalLocks()
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  let connection: Promise<Client> | undefined
  let asking: Promise<void> | undefined

  function connect(): Promise<Client> {
    if (connection !== undefined) return connection
    const mine: Promise<Client> = connectClient(url, () => forget(mine))
    connection = mine
    mine.catch(() => forget(mine))
    return mine
  }

  function forget(one: Promise<Client>): void {
    if (connection === one) connection = undefined
  }

  /** Which of these keys are ours now. Once more where the connection was lost meanwhile. */
  async function tryKeys(keys: readonly string[]): Promise<ReadonlySet<string>> {
    const session = connect()
    try {
      return await tryOn(await session, keys)
    } catch {
      forget(session)
      return await tryOn(await connect(), keys)
    }
  }

  /** Asks for all keys that are waited for until nobody waits. */
  async function ask(): Promise<void> {
    while (waiting.size > 0) {
      await delay(ASK_EVERY_MS)
      const keys = [...waiting.keys()]
      try {
        for (const key of await tryKeys(keys)) settle(key, (waiter) => waiter.resolve())
      } catch (error) {
        for (const key of keys) settle(key, (waiter) => waiter.reject(error))
      }
    }
    asking = undefined
  }

  function settle(key: string, how: (waiter: PromiseWithResolvers<void>) => void): void {
    const waiter = waiting.get(key)
    waiting.delete(key)
    if (waiter !== undefined) how(waiter)
  }

  async function wait(key: string): Promise<void> {
    const waiter = Promise.withResolvers<void>()
    waiting.set(key, waiter)
    asking ??= ask()
    await waiter.promise
  }

  async function run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const session = connection
    try {
      return await work()
    } finally {
      // Of the session that took it. If that is gone, so is the lock.
      if (session !== undefined && session === connection) {
        void session.then(async (client) => await client.query(RELEASE, [key])).catch(() => {})
      }
    }
  }

  return {
    hold: (key, work) =>
      local.hold(key, async () => {
        if (!(await tryKeys([key])).has(key)) await wait(key)
        return await run(key, work)
      }),
    holdIfFree: (key, work) =>
      local.holdIfFree(key, async () => {
        const isFree = (await tryKeys([key])).has(key)
        return isFree ? await run(key, work) : undefined
      }),
    close: async () => {
      const client = await connection?.catch(() => undefined)
      await client?.end()
    },
  }
}

async function tryOn(client: Client, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ key: string; locked: boolean }>(TRY, [keys])
  return new Set(rows.filter(({ locked }) => locked).map(({ key }) => key))
}
