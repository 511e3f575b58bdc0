/**
 * A process to be killed: on the database of its first argument, which has a webhook already, one event after the other
 * happens and is sent. Writes the id of each that is committed.
 */
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { openWorld } from './world.ts'

const [path = ''] = process.argv.slice(2)
const world = await openWorld({ store: await openSqliteStore(path) })
for (;;) process.stdout.write(`${await world.happen()}\n`)
