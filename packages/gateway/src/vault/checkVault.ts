import { GatewayError } from '../errors.ts'
import type { Vault } from '../services.ts'
import type { SettingStore } from '../store/store.ts'

const PREFIX = 'vault_canary/'
const CANARY = 'latchkey'

export interface CheckVaultOptions {
  readonly vault: Vault
  readonly settings: SettingStore
  readonly currentKeyId: string
}

/**
 * Refuses to start with other keys than the store was sealed with. Each key leaves a sealed canary in the store when it
 * is first the current one; all of them must open.
 *
 * @throws GatewayError `configuration`
 */
export async function checkVault({ vault, settings, currentKeyId }: CheckVaultOptions): Promise<void> {
  const name = PREFIX + currentKeyId
  for (const canary of await settings.list(PREFIX)) refuseUnopened(vault, canary)
  // Only now: a canary of a key that was set by mistake would keep the right keys out.
  const value = await settings.putIfAbsent(name, vault.seal(CANARY, ['settings', name]))
  refuseUnopened(vault, { name, value })
}

interface Canary {
  readonly name: string
  readonly value: Uint8Array
}

function refuseUnopened(vault: Vault, canary: Canary): void {
  if (opens(vault, canary)) return
  const keyId = canary.name.slice(PREFIX.length)
  throw new GatewayError(
    'configuration',
    `The database holds credentials that were sealed with the encryption key "${keyId}", and LATCHKEY_ENCRYPTION_KEYS ` +
      'does not have that key, or has another one under that name. Put it back, after the current one if it is an old one.',
  )
}

function opens(vault: Vault, { name, value }: Canary): boolean {
  try {
    return vault.open(value, ['settings', name]) === CANARY
  } catch {
    return false
  }
}
