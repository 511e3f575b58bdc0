import type { Vault } from '../services.ts'

/** Where a value lies that could not be opened. Neither part is secret: of what is secret, the key is a hash. */
export interface UnreadablePlace {
  readonly table: string
  readonly row: string
}

/**
 * Raises the alarm whenever a value does not open: somebody has changed or moved it in the database, or a key is missing.
 * The contexts of all rooms begin with the table and the row.
 */
export function withAlarm<V extends Vault>(vault: V, alarm: (place: UnreadablePlace) => void): V {
  return {
    ...vault,
    open(sealed: Uint8Array, context: readonly string[]): string {
      try {
        return vault.open(sealed, context)
      } catch (error) {
        const [table = '', row = ''] = context
        alarm({ table, row })
        throw error
      }
    },
  }
}
