/**
 * A process to be killed: re-encrypts the database of its first argument again and again, and says so when it begins.
 * The second argument are the keys, the current one first; the third is the time by the clock.
 */
import { parseKeyRing } from '../../src/keys/keyRing.ts'
import { Secret } from '../../src/secret.ts'
import { openStore } from '../../src/store/openStore.ts'
import { createReencryption } from '../../src/vault/reencryption.ts'
import { createVault } from '../../src/vault/vault.ts'

const [database = '', keysText = '', now = ''] = process.argv.slice(2)
const keys = parseKeyRing(keysText, 'the second argument')
const isFile = database.startsWith('/')
const store = await openStore(
  isFile ? { kind: 'sqlite', path: database } : { kind: 'postgres', url: new Secret(database) },
)
const reencryption = createReencryption({ store, vault: createVault(keys), keys, clock: () => Number(now), pauseMs: 0 })
process.stdout.write('begins\n')
for (;;) await reencryption.run()
