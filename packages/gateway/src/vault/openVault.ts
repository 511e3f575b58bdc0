import type { KeyRing } from '../keys/keyRing.ts'
import { givenRings, loadKeyRings, type KeyRings, type LoadKeyRingsOptions } from '../keys/loadKeyRings.ts'
import type { Clock } from '../services.ts'
import type { Store } from '../store/store.ts'
import { checkKeys } from './checkKeys.ts'
import { openKeyManagement, type KeyManagement } from './keyManagement.ts'
import { loadManagedRings } from './managedKeys.ts'
import { createReencryption, type Reencryption } from './reencryption.ts'
import { createVault, type RotatingVault } from './vault.ts'

export interface OpenVaultOptions extends LoadKeyRingsOptions {
  /** Keeps the keys instead of the configuration. */
  readonly keyManagement?: KeyManagement | undefined
  readonly store: Store
  readonly clock: Clock
}

export interface OpenedVault {
  readonly rings: KeyRings
  readonly vault: RotatingVault
  readonly reencryption: Reencryption
  /** Learns of encryption keys that were made meanwhile. */
  readonly reload: () => Promise<void>
}

/**
 * The vault with the keys of the configuration, which are the right ones for this store.
 *
 * @throws GatewayError `configuration` if keys are missing, malformed, or others than the store was used with.
 */
export async function openVault(options: OpenVaultOptions): Promise<OpenedVault> {
  const { store, clock } = options
  const { reload, ...rings } = await openRings(options)
  await checkKeys({ ringKeys: store.ringKeys, ring: 'encryption', keys: rings.encryption, clock })
  await checkKeys({ ringKeys: store.ringKeys, ring: 'signing', keys: rings.signing, clock })
  const vault = createVault(rings.encryption)
  return { rings, vault, reencryption: createReencryption({ store, vault, keys: rings.encryption, clock }), reload }
}

async function openRings(options: OpenVaultOptions): Promise<KeyRings & Pick<OpenedVault, 'reload'>> {
  const { keyManagement, store, clock } = options
  if (keyManagement === undefined) return { ...(await loadKeyRings(options)), reload: async () => {} }
  const service = await openKeyManagement(keyManagement)
  const { encryption, signing } = await loadManagedRings(
    { ringKeys: store.ringKeys, service, clock },
    givenRings(options),
  )
  // What is derived from a signing key is derived once, so that ring stays as it is.
  return { encryption, signing: asItIsNow(signing), reload: () => encryption.reload() }
}

function asItIsNow({ currentId, keys }: KeyRing): KeyRing {
  return { currentId, keys: new Map(keys) }
}
