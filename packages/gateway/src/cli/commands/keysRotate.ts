import type { RingName } from '../../store/store.ts'
import { rotateKeys, type RotatedKeys } from '../../vault/rotateKeys.ts'
import { openDatabase } from '../openDatabase.ts'
import { createOutput, type Output } from '../output.ts'
import type { KeysOptions } from './keysStatus.ts'

/** `latchkey keys rotate [ring]`: makes a new key, and prints what is left to do. */
export async function keysRotate(ring: RingName, options: KeysOptions): Promise<void> {
  const output = createOutput(options)
  await using database = await openDatabase(options)
  const { store, keyOptions, options: parsed } = database
  const rotated = await rotateKeys(
    { ...keyOptions, keyManagement: parsed.keyManagement, store, clock: parsed.clock },
    ring,
  )
  // Before the keys leave.
  await database.audit({ action: 'keys.rotated', details: { ring, keyId: rotated.keyId, kind: rotated.kind } })
  print(output, rotated, ring)
  output.json(toJson(rotated, ring))
}

function print(output: Output, rotated: RotatedKeys, ring: RingName): void {
  switch (rotated.kind) {
    case 'managed':
      output.line(`The new ${ring} key "${rotated.keyId}" is in the database, sealed by the key management service.`)
      output.line(`It is used from ${rotated.currentFrom.toISOString()} on.`)
      if (ring === 'signing')
        output.line('Start every gateway again before that time, so that all know it, and once after it.')
      return
    case 'file':
      output.line(
        `The new ${ring} key "${rotated.keyId}" is in the key file beside the database. Start the gateway again.`,
      )
      return
    case 'configuration':
      output.note('What follows are your keys. Whoever has them can open, or make, what the gateway keeps.')
      output.line(`Nothing is changed yet: the new ${ring} key "${rotated.keyId}" belongs into ${rotated.variable}.`)
      output.line('1. Only where there are several gateways: first, for all of them, so that each knows the new key:')
      output.line(`   ${rotated.variable}=${rotated.announced.reveal()}`)
      output.line('2. Then, for all of them; start them again:')
      output.line(`   ${rotated.variable}=${rotated.current.reveal()}`)
      output.line('3. See what still needs the old key: latchkey keys status')
      return
    default:
      rotated satisfies never
  }
}

function toJson(rotated: RotatedKeys, ring: RingName) {
  if (rotated.kind !== 'configuration') return { ring, ...rotated }
  return { ring, ...rotated, announced: rotated.announced.reveal(), current: rotated.current.reveal() }
}
