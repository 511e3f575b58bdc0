import type { LogSink } from '../http/requestLog.ts'
import type { KeyRing } from '../keys/keyRing.ts'
import type { Audit, Clock } from '../services.ts'
import type { RingKeyStore } from '../store/store.ts'
import { QUIET_MS, SEE_EVERY_MS, type Reencryption } from './reencryption.ts'

export interface UpkeepOptions {
  readonly ringKeys: RingKeyStore
  readonly reencryption: Reencryption
  readonly keys: KeyRing
  readonly clock: Clock
  readonly log: LogSink
  readonly audit: Audit
  /** Learns of keys that were made meanwhile. */
  readonly reload: () => Promise<void>
}

/** At most this part of the time goes into looking for values of old keys. */
const PAUSE_PER_PASS = 20

/**
 * Says every minute which encryption key this gateway writes with, and while there are old ones brings their values
 * under the current key. Keeps no process alive. Gives what ends it.
 */
export function startUpkeep({
  ringKeys,
  reencryption,
  keys,
  clock,
  log,
  audit,
  reload,
}: UpkeepOptions): () => Promise<void> {
  const stopping = new AbortController()
  let nextPassAt = 0
  let underWay: Promise<void> | undefined

  async function tick(): Promise<void> {
    // First, so that no key is given up because its gateway did not reach the key management service.
    await ringKeys.see({ ring: 'encryption', keyId: keys.currentId }, new Date(clock()))
    await reload()
    if (performance.now() < nextPassAt || (await reencryption.oldKeys()).length === 0) return
    const startedAt = performance.now()
    const { rewrapped, unreadable, retired } = await reencryption.run(stopping.signal)
    const endedAt = performance.now()
    nextPassAt = endedAt + Math.max(QUIET_MS, PAUSE_PER_PASS * (endedAt - startedAt))
    if (rewrapped + unreadable + retired.length === 0) return
    for (const keyId of retired) await audit.record({ action: 'encryption_key.retired', details: { keyId } })
    tell(unreadable > 0 ? 'warn' : 'info', { keyId: keys.currentId, rewrapped, unreadable, retired: retired.join(' ') })
  }

  function tell(level: string, fields: Record<string, string | number>): void {
    log({ time: new Date(clock()).toISOString(), level, message: 'reencryption', ...fields })
  }

  function begin(): void {
    underWay ??= tick()
      .catch((error: unknown) => {
        if (stopping.signal.aborted) return
        tell('warn', { error: error instanceof Error ? error.name : 'unknown' })
      })
      .finally(() => (underWay = undefined))
  }

  const timer = setInterval(begin, SEE_EVERY_MS)
  timer.unref()
  begin()
  return async () => {
    clearInterval(timer)
    stopping.abort()
    await underWay
  }
}
