import type { Gateway } from '../gateway.ts'

/** What it stops at. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export interface UntilStoppedOptions {
  readonly gateway: Pick<Gateway, 'drain'>
  /** How long requests may still come after SIGTERM, until whoever sends them has noticed, in milliseconds. */
  readonly drainMs: number
  readonly signals?: Pick<NodeJS.Process, 'once' | 'off'>
  /** Ends the process at once. */
  readonly exit?: (code: number) => void
}

/**
 * Waits for SIGTERM or SIGINT. After SIGTERM the gateway says that it is not ready and serves on for a while, for a load
 * balancer goes on sending until it has looked again; after SIGINT, which a person sends, it does not. A second signal
 * ends the process at once.
 */
export async function untilStopped(options: UntilStoppedOptions): Promise<void> {
  const { gateway, drainMs, signals = process, exit = (code) => process.exit(code) } = options
  const signal = await nextOf(signals)
  for (const name of SIGNALS) signals.once(name, () => exit(name === 'SIGINT' ? 130 : 143))
  gateway.drain()
  if (signal === 'SIGTERM' && drainMs > 0) await new Promise((resolve) => setTimeout(resolve, drainMs))
}

async function nextOf(signals: Pick<NodeJS.Process, 'once' | 'off'>): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  for (const name of SIGNALS) signals.once(name, resolve)
  return await promise.finally(() => {
    for (const name of SIGNALS) signals.off(name, resolve)
  })
}
