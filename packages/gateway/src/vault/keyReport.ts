import type { KeyRing } from '../keys/keyRing.ts'
import type { KeyRings } from '../keys/loadKeyRings.ts'
import type { RingName, Store } from '../store/store.ts'
import type { Reencryption } from './reencryption.ts'

/** One key of a ring, or of the database that was used with it. Nothing here is secret. */
export interface KeyStatus {
  readonly ring: RingName
  readonly keyId: string
  readonly isCurrent: boolean
  /** Whether the ring of this gateway has it. */
  readonly isAvailable: boolean
  /** Since when, or from when on, it is the current one. Undefined for one that never was. */
  readonly currentFrom: Date | undefined
  /** When a gateway last said that it uses it as the current one. */
  readonly seenAt: Date | undefined
  /** Since when it may leave the ring. */
  readonly retiredAt: Date | undefined
  /** How many values it seals. Of encryption keys only. */
  readonly values: number | undefined
}

export interface KeyReportOptions {
  readonly store: Store
  readonly rings: KeyRings
  readonly reencryption: Reencryption
}

/** What there is to say of the keys, for `doctor` and the like. Reads every sealed value's first bytes. */
export async function keyReport({ store, rings, reencryption }: KeyReportOptions): Promise<readonly KeyStatus[]> {
  const counts = new Map((await reencryption.counts()).map(({ keyId, values }) => [keyId, values]))
  return [
    ...(await statuses(store, 'encryption', rings.encryption, (keyId) => counts.get(keyId) ?? 0)),
    ...(await statuses(store, 'signing', rings.signing, () => undefined)),
  ]
}

async function statuses(
  store: Store,
  ring: RingName,
  keys: KeyRing,
  valuesOf: (keyId: string) => number | undefined,
): Promise<KeyStatus[]> {
  const known = new Map((await store.ringKeys.list(ring)).map((key) => [key.keyId, key]))
  return [...new Set([...known.keys(), ...keys.keys.keys()])].map((keyId) => ({
    ring,
    keyId,
    isCurrent: keyId === keys.currentId,
    isAvailable: keys.keys.has(keyId),
    currentFrom: known.get(keyId)?.currentFrom,
    seenAt: known.get(keyId)?.seenAt,
    retiredAt: known.get(keyId)?.retiredAt,
    values: valuesOf(keyId),
  }))
}
