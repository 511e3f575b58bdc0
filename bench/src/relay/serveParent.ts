/** The child's side of `startProcess`: starts with the options that come first, then tells its CPU time when asked. */
export async function serveParent<Options, Started extends object>(
  start: (options: Options) => Promise<Started>,
): Promise<void> {
  const options = await new Promise<Options>((resolve) =>
    process.once('message', (message) => resolve(message as Options)),
  )
  process.send?.(await start(options))
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 1024 ** 2 })
  })
}
