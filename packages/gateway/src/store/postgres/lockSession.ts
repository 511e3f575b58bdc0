import type { Client } from 'pg'
import type { Secret } from '../../secret.ts'
import { connectClient } from './client.ts'

export interface LockSession {
  /** Whether the key is ours now. It never waits for whoever has it. */
  readonly take: (key: string) => Promise<boolean>
  /** Lets a key go, soon. If its session is gone, so is the lock. */
  readonly release: (key: string) => void
  readonly close: () => Promise<void>
}

/** Keeps these keys apart from whatever else is locked on the database. */
const SEED = 7_306_084
const TAKE = `select key, pg_try_advisory_lock(hashtextextended(key, ${SEED})) as taken from unnest($1::text[]) as key`
const RELEASE = `select pg_advisory_unlock(hashtextextended(key, ${SEED})) from unnest($1::text[]) as key`

/**
 * Takes and gives back advisory locks on one connection, which is made when it is needed, and again when it was lost. One
 * query at a time: what is asked for meanwhile comes together in the next one.
 */
export function createLockSession(url: Secret): LockSession {
  const wanted = new Map<string, PromiseWithResolvers<boolean>>()
  let givenBack: string[] = []
  let connection: Promise<Client> | undefined
  let working: Promise<void> | undefined

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

  async function work(): Promise<void> {
    while (wanted.size > 0 || givenBack.length > 0) {
      // Before the others: who waits in this process wants what was just let go.
      await giveBack()
      const asked = new Map(wanted)
      wanted.clear()
      if (asked.size > 0) await ask(asked)
    }
    working = undefined
  }

  async function giveBack(): Promise<void> {
    const keys = givenBack
    givenBack = []
    if (keys.length === 0 || connection === undefined) return
    await connection.then(async (client) => await client.query(RELEASE, [keys])).catch(() => {})
  }

  async function ask(asked: ReadonlyMap<string, PromiseWithResolvers<boolean>>): Promise<void> {
    try {
      const taken = await takeAll([...asked.keys()])
      for (const [key, { resolve }] of asked) resolve(taken.has(key))
    } catch (error) {
      for (const { reject } of asked.values()) reject(error)
    }
  }

  /** Once more where the connection was lost meanwhile. */
  async function takeAll(keys: readonly string[]): Promise<ReadonlySet<string>> {
    const first = connect()
    try {
      return await takeOn(await first, keys)
    } catch {
      forget(first)
      return await takeOn(await connect(), keys)
    }
  }

  return {
    take(key) {
      const { promise } = getOrAdd(wanted, key)
      working ??= work()
      return promise
    },
    release(key) {
      givenBack.push(key)
      working ??= work()
    },
    close: async () => {
      await working
      const client = await connection?.catch(() => undefined)
      await client?.end()
    },
  }
}

async function takeOn(client: Client, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ key: string; taken: boolean }>(TAKE, [keys])
  return new Set(rows.filter(({ taken }) => taken).map(({ key }) => key))
}

function getOrAdd(waiters: Map<string, PromiseWithResolvers<boolean>>, key: string): PromiseWithResolvers<boolean> {
  const known = waiters.get(key)
  if (known !== undefined) return known
  const waiter = Promise.withResolvers<boolean>()
  waiters.set(key, waiter)
  return waiter
}
