import { createHmac, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { deriveKey } from '../keys/deriveKey.ts'
import type { KeyRing } from '../keys/keyRing.ts'
import type { Clock, Vault } from '../services.ts'
import type { RingKey, RingKeyStore, RingName } from '../store/store.ts'

const CANARY = 'latchkey'

export interface CheckKeysOptions {
  readonly ringKeys: RingKeyStore
  readonly keys: KeyRing
  readonly clock: Clock
}

/**
 * Refuses to start with other encryption keys than those that the database was sealed with. Each key leaves a sealed
 * canary in the store when it is first the current one; until a key is retired, the ring must have it and open that.
 *
 * @throws GatewayError `configuration`
 */
export async function checkEncryptionKeys(options: CheckKeysOptions & { readonly vault: Vault }): Promise<void> {
  const { vault } = options
  await checkRing({
    ...options,
    ring: 'encryption',
    prove: (keyId) => vault.seal(CANARY, canaryContext(keyId)),
    isProven: ({ keyId, proof }) => opensCanary(vault, keyId, proof),
    isNeeded: ({ retiredAt }) => retiredAt === undefined,
  })
}

/**
 * Refuses to start with another signing key under the id of one that was used before: every URL and token that it made
 * would be dead, and nobody told. A key that is gone altogether is no mistake: that is how its URLs and tokens are ended.
 *
 * @throws GatewayError `configuration`
 */
export async function checkSigningKeys(options: CheckKeysOptions): Promise<void> {
  const { keys } = options
  await checkRing({
    ...options,
    ring: 'signing',
    prove: (keyId) => fingerprint(keys, keyId),
    isProven: ({ keyId, proof }) => {
      const own = fingerprint(keys, keyId)
      return own.length === proof.length && timingSafeEqual(own, proof)
    },
    isNeeded: ({ keyId }) => keys.keys.has(keyId),
  })
}

interface CheckRing extends CheckKeysOptions {
  readonly ring: RingName
  readonly prove: (keyId: string) => Uint8Array
  readonly isProven: (key: RingKey) => boolean
  readonly isNeeded: (key: RingKey) => boolean
}

async function checkRing({ ringKeys, ring, keys, clock, prove, isProven, isNeeded }: CheckRing): Promise<void> {
  const keyId = keys.currentId
  const known = await ringKeys.list(ring)
  for (const key of known) {
    if (isNeeded(key) && !isProven(key)) throw wrongKey(key)
    if (key.keyId === keyId && key.retiredAt !== undefined) throw retiredKey(key, key.retiredAt)
  }
  // Only now: a canary of a key that was set by mistake would keep the right keys out.
  const at = new Date(clock())
  await ringKeys.insert({ ring, keyId, proof: prove(keyId), wrappedKey: undefined, currentFrom: at, seenAt: at })
  await ringKeys.see({ ring, keyId }, at)
  const kept = (await ringKeys.list(ring)).find((key) => key.keyId === keyId)
  if (kept === undefined || !isProven(kept)) throw wrongKey({ ring, keyId })
}

/** Where the first version kept it. */
function canaryContext(keyId: string): readonly string[] {
  return ['settings', `vault_canary/${keyId}`]
}

function opensCanary(vault: Vault, keyId: string, proof: Uint8Array): boolean {
  try {
    return vault.open(proof, canaryContext(keyId)) === CANARY
  } catch {
    return false
  }
}

/** Says nothing about the key to who does not have it. */
function fingerprint({ keys }: KeyRing, keyId: string): Uint8Array {
  const key = keys.get(keyId)
  if (key === undefined) throw new RangeError(`The key ${keyId} is not in the ring`)
  return createHmac('sha256', deriveKey(key, 'fingerprint v1')).update(CANARY).digest()
}

const VARIABLES: Record<RingName, string> = {
  encryption: 'LATCHKEY_ENCRYPTION_KEYS',
  signing: 'LATCHKEY_SIGNING_KEYS',
}

function wrongKey({ ring, keyId }: Pick<RingKey, 'ring' | 'keyId'>): GatewayError {
  const what =
    ring === 'encryption'
      ? `The database holds credentials that were sealed with the encryption key "${keyId}", and ${VARIABLES[ring]} does ` +
        'not have that key, or has another one under that name. Put it back, after the current one if it is an old one.'
      : `${VARIABLES[ring]} has another key under the name "${keyId}" than this database was used with, so that no URL ` +
        'or token of that key would be good any more. Put the right one back, or give the new key a new name.'
  return new GatewayError('configuration', what)
}

function retiredKey({ ring, keyId }: RingKey, retiredAt: Date): GatewayError {
  return new GatewayError(
    'configuration',
    `The key "${keyId}", the first in ${VARIABLES[ring]}, was replaced and given up on ${retiredAt.toISOString()}. ` +
      'Put the key that replaced it first, or a new one with a new name.',
  )
}
