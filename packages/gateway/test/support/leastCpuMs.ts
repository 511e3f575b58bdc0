/**
 * How much of the processor some synchronous work takes, in milliseconds: the least of several runs, so that whatever
 * else the machine does at the same time makes no difference.
 */
export function leastCpuMs(work: () => unknown, runs = 5): number {
  let least = Infinity
  for (let run = 0; run < runs; run += 1) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}
