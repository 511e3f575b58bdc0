import { createHmac, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { deriveKey } from '../keys/deriveKey.ts'
import type { KeyRing } from '../keys/keyRing.ts'
import type { Clock } from '../services.ts'
import type { RingKey, RingKeyStore, RingName } from '../store/store.ts'
import { createVault } from './vault.ts'

const CANARY = 'latchkey'

export interface CheckKeysOptions {
  readonly ringKeys: RingKeyStore
  readonly ring: RingName
  readonly keys: KeyRing
  readonly clock: Clock
}

/**
 * Refuses to start with other keys than those that the database was used with. Each key leaves a proof in the store when
 * it is first the current one: the encryption keys a sealed canary, the signing keys a fingerprint. Until a key is
 * retired, the ring must have it, and be right about it. Without an encryption key credentials would be lost; without a
 * signing key URLs and tokens would die, and nobody be told.
 *
 * @throws GatewayError `configuration`
 */
export async function checkKeys({ ringKeys, ring, keys, clock }: CheckKeysOptions): Promise<void> {
  await refuseWrongKeys({ ringKeys, ring, keys })
  const keyId = keys.currentId
  // Only now: a proof of a key that was set by mistake would keep the right keys out.
  const at = new Date(clock())
  const proof = proofOf(ring, keys)
  await ringKeys.insert({ ring, keyId, proof, wrappedKey: undefined, currentFrom: at, seenAt: at })
  await ringKeys.see({ ring, keyId }, at)
  const kept = (await ringKeys.list(ring)).find((key) => key.keyId === keyId)
  if (kept === undefined || !isProven(ring, keys, kept)) throw wrongKey(ring, keyId)
}

/**
 * The same without a word to the database: nothing is noted as being in use.
 *
 * @throws GatewayError `configuration`
 */
export async function refuseWrongKeys({ ringKeys, ring, keys }: Omit<CheckKeysOptions, 'clock'>): Promise<void> {
  const keyId = keys.currentId
  for (const key of await ringKeys.list(ring)) {
    if (key.retiredAt === undefined && !isProven(ring, keys, key)) throw wrongKey(ring, key.keyId)
    if (key.retiredAt !== undefined && key.keyId === keyId) throw retiredKey(ring, keyId, key.retiredAt)
  }
}

/** What shows later that the ring's current key is still the same. It shows nothing of the key. */
export function proofOf(ring: RingName, keys: KeyRing): Uint8Array {
  const { currentId } = keys
  if (ring === 'encryption') return createVault(keys).seal(CANARY, canaryContext(currentId))
  const key = keys.keys.get(currentId)
  if (key === undefined) throw new RangeError(`The key ${currentId} is not in the ring`)
  return fingerprint(key)
}

function isProven(ring: RingName, keys: KeyRing, { keyId, proof }: RingKey): boolean {
  if (ring === 'encryption') return opensCanary(keys, keyId, proof)
  const key = keys.keys.get(keyId)
  if (key === undefined) return false
  const own = fingerprint(key)
  return own.length === proof.length && timingSafeEqual(own, proof)
}

/** Where the first version kept it. */
function canaryContext(keyId: string): readonly string[] {
  return ['settings', `vault_canary/${keyId}`]
}

function opensCanary(keys: KeyRing, keyId: string, proof: Uint8Array): boolean {
  try {
    return createVault(keys).open(proof, canaryContext(keyId)) === CANARY
  } catch {
    return false
  }
}

function fingerprint(key: Uint8Array): Uint8Array {
  return createHmac('sha256', deriveKey(key, 'fingerprint v1')).update(CANARY).digest()
}

const VARIABLES: Record<RingName, string> = {
  encryption: 'LATCHKEY_ENCRYPTION_KEYS',
  signing: 'LATCHKEY_SIGNING_KEYS',
}

function wrongKey(ring: RingName, keyId: string): GatewayError {
  const what = {
    encryption: `The database holds credentials that were sealed with the encryption key "${keyId}"`,
    signing: `The database was used with the signing key "${keyId}", and URLs and tokens that it made may be in use`,
  }[ring]
  const instead = {
    encryption: '',
    signing: ` To end all that it made, retire it first: latchkey keys retire ${keyId}.`,
  }[ring]
  return new GatewayError(
    'configuration',
    `${what}, and ${VARIABLES[ring]} does not have that key, or has another one under that name. ` +
      `Put it back, after the current one if it is an old one.${instead}`,
  )
}

function retiredKey(ring: RingName, keyId: string, retiredAt: Date): GatewayError {
  return new GatewayError(
    'configuration',
    `The key "${keyId}", the first in ${VARIABLES[ring]}, was replaced and given up on ${retiredAt.toISOString()}. ` +
      'Put the key that replaced it first, or a new one with a new name.',
  )
}
