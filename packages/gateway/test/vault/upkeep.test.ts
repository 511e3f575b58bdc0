import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from '../../src/audit/audit.ts'
import type { LogRecord } from '../../src/index.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { checkKeys } from '../../src/vault/checkKeys.ts'
import { createReencryption, QUIET_MS } from '../../src/vault/reencryption.ts'
import { startUpkeep } from '../../src/vault/upkeep.ts'
import { createVault } from '../../src/vault/vault.ts'
import { aRing } from '../keys/ring.ts'

const START = Date.parse('2026-07-28T10:00:00Z')

describe('startUpkeep', () => {
  let store: Store
  let now: number
  beforeEach(async () => {
    now = START
    store = await openSqliteStore(':memory:')
  })
  afterEach(() => store.close())

  const clock = () => now

  /** Starts it, and gives the first line of its log. */
  async function firstLine(keys = aRing(['k1', 1]), reload = () => Promise.resolve()) {
    await checkKeys({ ringKeys: store.ringKeys, ring: 'encryption', keys, clock })
    now += QUIET_MS
    const told = Promise.withResolvers<LogRecord>()
    const reencryption = createReencryption({ store, vault: createVault(keys), keys, clock })
    const { ringKeys } = store
    const audit = createAudit({ store: store.audit, clock, log: () => undefined })
    const stop = startUpkeep({ ringKeys, reencryption, keys, clock, log: told.resolve, audit, reload })
    return { line: told.promise, stop }
  }

  it('says that its key is in use, also while the key management service cannot be reached', async () => {
    const { line, stop } = await firstLine(aRing(['k1', 1]), () => Promise.reject(new RangeError('not there')))
    expect(await line).toMatchObject({ level: 'warn', message: 'reencryption', error: 'RangeError' })
    await stop()
    expect(await store.ringKeys.list('encryption')).toMatchObject([{ keyId: 'k1', seenAt: new Date(now) }])
  })

  it('gives up an old key that is not needed any more, says so and writes it down', async () => {
    await checkKeys({ ringKeys: store.ringKeys, ring: 'encryption', keys: aRing(['k1', 1]), clock })
    now += 1
    const { line, stop } = await firstLine(aRing(['k2', 2], ['k1', 1]))
    expect(await line).toMatchObject({ level: 'info', keyId: 'k2', rewrapped: 0, retired: 'k1' })
    await stop()
    expect(await store.audit.list({ limit: 10 })).toMatchObject([
      { action: 'encryption_key.retired', actor: 'system', details: { keyId: 'k1' } },
    ])
  })

  it('stops at once, and waits for what it was doing', async () => {
    const reloading = Promise.withResolvers<void>()
    const { stop } = await firstLine(aRing(['k1', 1]), () => reloading.promise)
    const stopped = stop()
    reloading.resolve()
    await expect(stopped).resolves.toBeUndefined()
  })
})
