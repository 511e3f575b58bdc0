/**
 * A process to be killed: re-encrypts the database of its first argument again and again, and says so when it begins.
 * The second argument are the keys, the current one first; the third is the time by the clock.
 */
import { parseKeyRing } from '../../src/keys/keyRing.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { createReencryption } from '../../src/vault/reencryption.ts'
import { createVault } from '../../src/vault/vault.ts'

const [path = '', keysText = '', now = ''] = process.argv.slice(2)
const keys = parseKeyRing(keysText, 'the second argument')
const store = await openSqliteStore(path)
const reencryption = createReencryption({ store, vault: createVault(keys), keys, clock: () => Number(now), pauseMs: 0 })
process.stdout.write('begins\n')
for (;;) await reencryption.run()
