import { keyReport, type KeyStatus } from '../../vault/keyReport.ts'
import { createReencryption } from '../../vault/reencryption.ts'
import { createVault } from '../../vault/vault.ts'
import { type DatabaseAccess, openDatabase } from '../openDatabase.ts'
import { createOutput, paint } from '../output.ts'
import { table } from '../table.ts'

export interface KeysOptions extends DatabaseAccess {
  readonly json?: boolean | undefined
}

/** `latchkey keys status`: which keys there are, and what needs them. Changes nothing. */
export async function keysStatus(options: KeysOptions): Promise<void> {
  const output = createOutput(options)
  await using database = await openDatabase(options)
  const { store, options: parsed } = database
  const rings = await database.rings()
  const vault = createVault(rings.encryption)
  const reencryption = createReencryption({ store, vault, keys: rings.encryption, clock: parsed.clock })
  const keys = await keyReport({ store, rings, reencryption })
  const rows = keys.map((key) => [
    key.ring,
    key.keyId,
    stateOf(key),
    key.values === undefined ? '' : String(key.values),
    adviceOn(key),
  ])
  for (const [index, line] of table(['ring', 'key', 'state', 'values', 'what to do'], rows).entries()) {
    output.line(index === 0 ? paint('dim', line) : line)
  }
  output.json({ keys: keys.map((key) => ({ ...key, state: stateOf(key) })) })
}

function stateOf({ isCurrent, isAvailable, retiredAt }: KeyStatus): string {
  if (isCurrent) return 'current'
  if (retiredAt !== undefined) return 'retired'
  return isAvailable ? 'old' : 'missing'
}

function adviceOn(key: KeyStatus): string {
  const state = stateOf(key)
  if (state === 'missing') return 'put it back: a gateway does not start without it'
  if (state === 'retired') return key.isAvailable ? 'it may be taken out of the configuration' : ''
  if (state !== 'old') return ''
  return key.ring === 'signing' ? `to end it: latchkey keys retire ${key.keyId}` : 'the gateway gives it up by itself'
}
