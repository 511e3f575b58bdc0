import type { Secret } from '../secret.ts'
import { openPostgresStore } from './postgres/open.ts'
import { openSqliteStore } from './sqlite/open.ts'
import type { Store } from './store.ts'

/** Where a gateway keeps its state. */
export type DatabaseLocation =
  | {
      readonly kind: 'sqlite'
      /** An absolute path, or `:memory:`. */
      readonly path: string
    }
  | {
      readonly kind: 'postgres'
      /** It may hold a password. */
      readonly url: Secret
    }

/**
 * Opens the store, bringing it to the current layout.
 *
 * @throws GatewayError `configuration` if it cannot be opened.
 */
export async function openStore(location: DatabaseLocation): Promise<Store> {
  return await (location.kind === 'sqlite' ? openSqliteStore(location.path) : openPostgresStore(location.url))
}
