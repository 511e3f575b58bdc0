import { GatewayError } from '../errors.ts'
import type { KeyRing } from '../keys/keyRing.ts'
import type { Clock } from '../services.ts'
import type { Store } from '../store/store.ts'

const INSTANCES_AT_ONCE = 100

export interface RetireSigningKeyOptions {
  readonly store: Store
  /** The signing ring as it is: the URLs are made anew with its current key. */
  readonly keys: KeyRing
  readonly keyId: string
  readonly clock: Clock
}

/**
 * Ends all that an old signing key made, and lets it leave the ring: every instance whose URL it derived gets another
 * URL, and the old one is dead at once. Session tokens that it signed end when it leaves the ring, or expire. It can be
 * stopped anywhere and run again.
 *
 * @returns how many URLs were replaced.
 * @throws GatewayError `precondition` for the current key, `not_found` for one that the database does not know.
 */
export async function retireSigningKey({ store, keys, keyId, clock }: RetireSigningKeyOptions): Promise<number> {
  if (keyId === keys.currentId) {
    throw new GatewayError('precondition', `"${keyId}" is the current signing key. Put a new one before it first.`)
  }
  const known = (await store.ringKeys.list('signing')).find((key) => key.keyId === keyId)
  if (known === undefined) throw new GatewayError('not_found', `The database knows no signing key "${keyId}".`)
  let replaced = 0
  for (;;) {
    const instances = await store.instances.listByUrlKey(keyId, INSTANCES_AT_ONCE)
    if (instances.length === 0) break
    await store.transaction(async (within) => {
      const at = new Date(clock())
      for (const instance of instances) {
        if (!(await within.instances.rotateUrl(instance, instance.urlVersion, keys.currentId, at))) continue
        await within.changes.append({ kind: 'instance', subject: instance.id, occurredAt: at })
        replaced += 1
      }
    })
  }
  await store.ringKeys.retire(known, new Date(clock()))
  return replaced
}
