import { setTimeout as delay } from 'node:timers/promises'
import type { KeyRing } from '../keys/keyRing.ts'
import type { Clock } from '../services.ts'
import { sealedColumns, type SealedColumn } from '../store/sealedColumns.ts'
import type { RingKey, SealedChange, SealedHead, Store } from '../store/store.ts'
import { SEALED_HEAD_BYTES, sealedKeyId, type RotatingVault } from './vault.ts'

/** How often a gateway says which key it writes with. */
export const SEE_EVERY_MS = 60_000
/** A key that no gateway has named for so long is written with by none. */
export const QUIET_MS = 3 * SEE_EVERY_MS

const HEADS_AT_ONCE = 500
/** SQLite's one writer, and the process itself, are kept from others no longer than this many take. */
const CHANGES_AT_ONCE = 50

export interface ReencryptionOptions {
  readonly store: Store
  readonly vault: RotatingVault
  readonly keys: KeyRing
  readonly clock: Clock
  /** Between two batches of 50, in milliseconds, so that the rest of the gateway's work goes on. Default 20. */
  readonly pauseMs?: number
}

export interface ReencryptionResult {
  /** How many values were wrapped again with the current key. */
  readonly rewrapped: number
  /** How many could not be: they had been changed or moved, or their key is not in the ring. They stay as they are. */
  readonly unreadable: number
  /** The old keys that no value needs any more: they may leave the ring. */
  readonly retired: readonly string[]
  /** The old keys that have to stay: a gateway wrote with them within the last three minutes, or another key is newer. */
  readonly waitingFor: readonly string[]
}

export interface SealedCount {
  readonly keyId: string
  readonly values: number
}

export interface Reencryption {
  /**
   * Wraps every value again that was sealed with an old key, and retires the old keys that no value needs any more. It
   * can be stopped anywhere, killed, run again and run beside others: each value changes by itself, and only if nobody
   * else changed it.
   */
  run(signal?: AbortSignal): Promise<ReencryptionResult>
  /** How many values there are of each key. Reads the whole database in small steps. */
  counts(signal?: AbortSignal): Promise<readonly SealedCount[]>
  /** The old keys that are not retired yet, when it is this gateway's to retire them. */
  oldKeys(): Promise<readonly RingKey[]>
}

/** Brings everything that is sealed under the ring's current key, while the gateway serves. */
export function createReencryption({ store, vault, keys, clock, pauseMs = 20 }: ReencryptionOptions): Reencryption {
  async function activeKeys(): Promise<readonly RingKey[]> {
    return (await store.ringKeys.list('encryption')).filter(({ retiredAt }) => retiredAt === undefined)
  }

  async function oldKeys(): Promise<readonly RingKey[]> {
    const active = await activeKeys()
    // Of two gateways with different current keys, one would undo for ever what the other does.
    return isCurrent(active.at(-1)) ? active.filter((key) => !isCurrent(key)) : []
  }

  function isCurrent(key: RingKey | undefined): boolean {
    return key?.keyId === keys.currentId
  }

  async function run(signal?: AbortSignal): Promise<ReencryptionResult> {
    const startedAt = clock()
    const old = await oldKeys()
    const total = { rewrapped: 0, unreadable: 0, lost: 0 }
    if (old.length > 0) for (const column of sealedColumns) await rewrapColumn(column, total, signal)
    const quiet = old.filter(({ seenAt }) => total.lost === 0 && seenAt.getTime() + QUIET_MS <= startedAt)
    const retired: string[] = []
    for (const key of quiet) if (await store.ringKeys.retire(key, new Date(clock()))) retired.push(key.keyId)
    if (total.rewrapped > 0 || retired.length > 0) await store.scrub()
    const waitingFor = (await activeKeys()).filter((key) => !isCurrent(key)).map(({ keyId }) => keyId)
    return { rewrapped: total.rewrapped, unreadable: total.unreadable, retired, waitingFor }
  }

  async function rewrapColumn(column: SealedColumn, total: Totals, signal?: AbortSignal): Promise<void> {
    for await (const heads of pages(store, column)) {
      const old = heads.filter(({ head }) => sealedKeyId(head)?.keyId !== keys.currentId)
      for (const batch of inBatches(old)) {
        signal?.throwIfAborted()
        await rewrapBatch(column, batch, total)
        await delay(pauseMs, undefined, { signal })
      }
    }
  }

  async function rewrapBatch(column: SealedColumn, heads: readonly SealedHead[], total: Totals): Promise<void> {
    const changes: SealedChange[] = []
    for (const { place, user } of heads) {
      const value = await store.sealed.read(column, place)
      if (value === undefined) continue
      const to = rewrapped(column, value)
      if (to === undefined) total.unreadable += 1
      else changes.push({ place, user, from: value.sealed, to })
    }
    if (changes.length === 0) return
    const replaced = await store.transaction(async (within) => await within.sealed.replace(column, changes))
    total.rewrapped += replaced
    total.lost += changes.length - replaced
  }

  function rewrapped(
    { firstFormat }: SealedColumn,
    { sealed, bound }: { sealed: Uint8Array; bound: readonly string[] },
  ): Uint8Array | undefined {
    try {
      return vault.rewrap(sealed, firstFormat?.context(...bound))
    } catch {
      return undefined
    }
  }

  async function counts(signal?: AbortSignal): Promise<readonly SealedCount[]> {
    const values = new Map<string, number>([[keys.currentId, 0]])
    for (const column of sealedColumns) {
      for await (const heads of pages(store, column)) {
        signal?.throwIfAborted()
        for (const { head } of heads) {
          const keyId = sealedKeyId(head)?.keyId ?? 'unknown'
          values.set(keyId, (values.get(keyId) ?? 0) + 1)
        }
      }
    }
    return [...values].map(([keyId, count]) => ({ keyId, values: count }))
  }

  return { run, counts, oldKeys }
}

interface Totals {
  rewrapped: number
  unreadable: number
  /** Somebody else changed it meanwhile. */
  lost: number
}

async function* pages(store: Store, column: SealedColumn): AsyncGenerator<readonly SealedHead[]> {
  for (let after: SealedHead['place'] | undefined; ;) {
    const heads = await store.sealed.heads(column, { bytes: SEALED_HEAD_BYTES, after, limit: HEADS_AT_ONCE })
    if (heads.length > 0) yield heads
    if (heads.length < HEADS_AT_ONCE) return
    after = heads.at(-1)?.place
    // SQLite answers at once: without this, a long table would keep everybody else waiting.
    await delay(0)
  }
}

function* inBatches(heads: readonly SealedHead[]): Generator<readonly SealedHead[]> {
  for (let start = 0; start < heads.length; start += CHANGES_AT_ONCE) yield heads.slice(start, start + CHANGES_AT_ONCE)
}
