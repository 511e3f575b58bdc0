import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** What is still in memory when everything has been collected that nobody holds. */
export function heldBytes(): number {
  collect()
  // The second one waits for what the first has left to other threads.
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
