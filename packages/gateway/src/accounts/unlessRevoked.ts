import { GatewayError } from '../errors.ts'
import type { AsOf } from '../services.ts'
import type { Store } from '../store/store.ts'

/**
 * Makes something for a user, unless the user was revoked since the request began: what comes late must not outlive the
 * revocation. Throws GatewayError `conflict` then.
 */
export async function unlessRevoked<T>(
  store: Store,
  userIdentifier: string,
  { configId, epoch }: AsOf,
  work: (inner: Store) => Promise<T>,
): Promise<T> {
  return await store.transaction(async (inner) => {
    await inner.lockUser(userIdentifier)
    if ((await inner.revocations.epoch(userIdentifier, configId)) !== epoch) throw revokedMeanwhile()
    return await work(inner)
  })
}

export function revokedMeanwhile(): GatewayError {
  return new GatewayError('conflict', 'The user was revoked meanwhile. Call again if the user may come back.')
}

/** For what concerns no config in particular. */
export async function asOfNow(store: Pick<Store, 'revocations'>, userIdentifier: string, configId = ''): Promise<AsOf> {
  return { configId, epoch: await store.revocations.epoch(userIdentifier, configId) }
}
