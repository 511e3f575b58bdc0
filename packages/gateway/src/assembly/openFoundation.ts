import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { auditedKeys } from '../audit/audited.ts'
import type { Closers } from '../closers.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { createKeys } from '../keys/keys.ts'
import { openStore, type DatabaseLocation } from '../store/openStore.ts'
import { openVault } from '../vault/openVault.ts'
import { startUpkeep } from '../vault/upkeep.ts'
import { every } from './every.ts'
import { forget } from './forget.ts'
import { createOperations } from './operations.ts'
import { startTelemetry } from './startTelemetry.ts'

export type Foundation = Awaited<ReturnType<typeof openFoundation>>

const TELL_DENIALS_EVERY_MS = 60 * 1000
const FORGET_EVERY_MS = 10 * 60 * 1000

/** What every room stands on: the state, the keys, and what watches over all of it. */
export async function openFoundation(options: ParsedOptions, closers: Closers) {
  const { publicUrl, isLoopback, database, clock, log } = options
  const directory = folderOf(database)
  if (directory !== undefined) await mkdir(directory, { recursive: true })
  const store = await openStore(database)
  closers.add(async () => await store.close())
  // Gateways that share a Postgres share their keys too, so none of them may make its own.
  const mayMakeKeys = isLoopback && database.kind === 'sqlite'
  const { rings, vault, reencryption, reload } = await openVault({
    ...options,
    isLoopback: mayMakeKeys,
    directory,
    store,
    alarm: (place) =>
      log({ time: new Date(clock()).toISOString(), level: 'error', message: 'unreadable value', ...place }),
  })
  const { telemetry, metrics } = await startTelemetry(options, closers)
  const operations = createOperations(options, store, telemetry)
  const { audit, denials, limits } = operations
  const { ringKeys } = store
  closers.add(startUpkeep({ ringKeys, reencryption, reload, keys: rings.encryption, clock, log, audit }))
  closers.add(async () => await denials.flush())
  closers.add(every(TELL_DENIALS_EVERY_MS, async () => await denials.flush()))
  closers.add(every(FORGET_EVERY_MS, async () => await forget(store, clock(), options)))
  const keys = auditedKeys(createKeys(rings.signing, { publicUrl, clock }), audit)
  return { store, vault, rings, keys, telemetry, metrics, operations, audit, limits }
}

/** Where files of the gateway's own may lie. */
function folderOf(database: DatabaseLocation): string | undefined {
  return database.kind === 'sqlite' && database.path !== ':memory:' ? dirname(database.path) : undefined
}
