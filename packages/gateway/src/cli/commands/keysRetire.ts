import { retireSigningKey } from '../../vault/retireSigningKey.ts'
import { confirm } from '../confirm.ts'
import { openDatabase } from '../openDatabase.ts'
import { count, createOutput } from '../output.ts'
import type { KeysOptions } from './keysStatus.ts'

export interface KeysRetireOptions extends KeysOptions {
  readonly yes?: boolean | undefined
}

/** `latchkey keys retire <id>`: replaces every MCP URL that an old signing key derived. */
export async function keysRetire(keyId: string, options: KeysRetireOptions): Promise<void> {
  const output = createOutput(options)
  await using database = await openDatabase(options)
  const { store, options: parsed } = database
  const { signing } = await database.rings()
  await confirm(`This ends every MCP URL that the signing key "${keyId}" derived, at once.`, options)
  const urlsReplaced = await retireSigningKey({ store, keys: signing, keyId, clock: parsed.clock })
  await database.audit({ action: 'keys.retired', details: { ring: 'signing', keyId, urlsReplaced } })
  output.line(
    `The signing key "${keyId}" is retired: ${count(urlsReplaced, 'URL')} replaced. Now take it out of the configuration.`,
  )
  output.json({ ring: 'signing', keyId, urlsReplaced })
}
