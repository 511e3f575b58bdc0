/** The child's side of `startProcess`: tells what was started, then its own CPU time and memory whenever it is asked. */
export function serveParent(started: object): void {
  // However the parent ends, nothing is left behind.
  process.on('disconnect', () => process.exit())
  process.send?.(started)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 1024 ** 2 })
  })
}
