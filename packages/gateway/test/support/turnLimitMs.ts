import { leastCpuMs } from './leastCpuMs.ts'

const MS = 100
/** What V8 itself reads most slowly of what the gateway reads: escapes in a message, and keys in an event. */
const WORST = [
  `"${'\\\\\\"'.repeat((9.8 * 1024 * 1024) / 4)}"`,
  `{${Array.from({ length: 90_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
].map((text) => Buffer.from(text).toString())
/** Looked at for bounds and for places besides, which takes about as long again. */
const TIMES_A_PARSE = 2.2

/**
 * How long one turn of the event loop may take: 100 ms (security T46), and on a machine on which `JSON.parse` alone needs
 * long for one message, so many times as long as that. How fast the machine is, is no matter of the gateway's.
 */
export function turnLimitMs(): number {
  return Math.max(MS, ...WORST.map((text) => TIMES_A_PARSE * leastCpuMs(() => JSON.parse(text))))
}
