import type { Revocations } from '../services.ts'
import type { Store } from '../store/store.ts'

/** Stands for no config: no config has this id. */
const NO_CONFIG = ''

/** How often tokens were revoked. Whoever made something before a revocation carries another number than it is now. */
export function createRevocations({ store }: { readonly store: Pick<Store, 'revocations'> }): Revocations {
  return {
    epoch: (userIdentifier, configId = NO_CONFIG) => store.revocations.epoch(userIdentifier, configId),
  }
}
