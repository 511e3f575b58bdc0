import { formatKeyRing, type KeyRing } from '../keys/keyRing.ts'
import { givenRings, rotateKeyFile, type LoadKeyRingsOptions } from '../keys/loadKeyRings.ts'
import { withNewKey } from '../keys/newRing.ts'
import { Secret } from '../secret.ts'
import type { Clock } from '../services.ts'
import type { RingName, Store } from '../store/store.ts'
import { openKeyManagement, type KeyManagement } from './keyManagement.ts'
import { addManagedKey } from './managedKeys.ts'

export interface RotateKeysOptions extends LoadKeyRingsOptions {
  readonly keyManagement?: KeyManagement | undefined
  readonly store: Store
  readonly clock: Clock
}

/** What was done, and what is left to do for whoever runs the gateway. */
export type RotatedKeys =
  | {
      /** The key lies in the database, encrypted by the key management service. */
      readonly kind: 'managed'
      readonly keyId: string
      /** Encryption: gateways that run use it from then on. Signing: those that are started after that time. */
      readonly currentFrom: Date
    }
  | {
      /** The key file was written. The gateway has to be started again. */
      readonly kind: 'file'
      readonly keyId: string
    }
  | {
      /** Nothing was changed: the configuration has to be. */
      readonly kind: 'configuration'
      readonly keyId: string
      readonly variable: string
      /** With several gateways: for all of them first, so that each can open what the others will seal. */
      readonly announced: Secret
      /** After that, or at once where there is one gateway. */
      readonly current: Secret
    }

/**
 * Makes a new key of a ring. What the old ones sealed is brought under the new one by the gateways themselves, once they
 * use it; what they signed and derived stays good until they are retired.
 *
 * @throws GatewayError `configuration` if the present keys are missing, malformed or unreachable; `conflict` if another
 *   key was made at the same moment.
 */
export async function rotateKeys(options: RotateKeysOptions, ring: RingName): Promise<RotatedKeys> {
  const { keyManagement, store, clock } = options
  if (keyManagement !== undefined) {
    const service = await openKeyManagement(keyManagement)
    const { keyId, currentFrom } = await addManagedKey({ ringKeys: store.ringKeys, service, clock }, ring)
    return { kind: 'managed', keyId, currentFrom }
  }
  const given = givenRings(options)[ring]
  if (given !== undefined) return inConfiguration(given, ring)
  return { kind: 'file', keyId: await rotateKeyFile(options, ring) }
}

function inConfiguration(ring: KeyRing, name: RingName): RotatedKeys {
  const rotated = withNewKey(ring)
  return {
    kind: 'configuration',
    keyId: rotated.currentId,
    variable: name === 'encryption' ? 'LATCHKEY_ENCRYPTION_KEYS' : 'LATCHKEY_SIGNING_KEYS',
    announced: new Secret(formatKeyRing({ ...rotated, currentId: ring.currentId })),
    current: new Secret(formatKeyRing(rotated)),
  }
}
