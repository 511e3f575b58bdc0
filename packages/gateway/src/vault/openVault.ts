import { loadKeyRings, type KeyRings, type LoadKeyRingsOptions } from '../keys/loadKeyRings.ts'
import type { Clock } from '../services.ts'
import type { Store } from '../store/store.ts'
import { checkEncryptionKeys, checkSigningKeys } from './checkKeys.ts'
import { createReencryption, type Reencryption } from './reencryption.ts'
import { createVault, type RotatingVault } from './vault.ts'

export interface OpenVaultOptions extends LoadKeyRingsOptions {
  readonly store: Store
  readonly clock: Clock
}

export interface OpenedVault {
  readonly rings: KeyRings
  readonly vault: RotatingVault
  readonly reencryption: Reencryption
}

/**
 * The vault with the keys of the configuration, which are the right ones for this store.
 *
 * @throws GatewayError `configuration` if keys are missing, malformed, or others than the store was used with.
 */
export async function openVault({ store, clock, ...options }: OpenVaultOptions): Promise<OpenedVault> {
  const rings = await loadKeyRings(options)
  const vault = createVault(rings.encryption)
  const { ringKeys } = store
  await checkEncryptionKeys({ vault, ringKeys, keys: rings.encryption, clock })
  await checkSigningKeys({ ringKeys, keys: rings.signing, clock })
  return { rings, vault, reencryption: createReencryption({ store, vault, keys: rings.encryption, clock }) }
}
