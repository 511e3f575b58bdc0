import { setImmediate as nextTurn } from 'node:timers/promises'

/** How much of the processor the longest turn of some work takes, in milliseconds: the least of several runs. */
export async function leastTurnMs(work: () => Promise<unknown>, runs = 5): Promise<number> {
  let least = Infinity
  for (let run = 0; run < runs; run += 1) least = Math.min(least, await longestTurnMs(work))
  return least
}

async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let before = process.cpuUsage()
  const measure = (): void => {
    const { user, system } = process.cpuUsage(before)
    longest = Math.max(longest, (user + system) / 1000)
    before = process.cpuUsage()
  }
  const over = work().then(() => true)
  do measure()
  while (!(await Promise.race([over, nextTurn(false)])))
  measure()
  return longest
}
