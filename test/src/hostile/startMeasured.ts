import type { GatewayOptions } from '@latchkey/gateway'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

const PROCESS = fileURLToPath(new URL('measuredProcess.ts', import.meta.url))

export interface Measured {
  /** How much of the processor the longest turn of the event loop took, in milliseconds. */
  readonly longestTurnMs: number
  /**
   * By how much the memory of the process grew at most, over what it was after a garbage collection. What the next one
   * would free does not count: V8 decides when that is, and not the attack.
   */
  readonly growthBytes: number
}

export interface MeasuredGateway extends AsyncDisposable {
  /** What this did to the process. */
  measure(work: () => Promise<void>): Promise<Measured>
}

/** Starts a gateway in a process of its own, which measures itself. */
export async function startMeasured(options: GatewayOptions): Promise<MeasuredGateway> {
  const child = fork(PROCESS, {
    execArgv: ['--conditions=@latchkey/source', '--disable-warning=ExperimentalWarning', '--expose-gc'],
    env: {
      PATH: process.env['PATH'] ?? '',
      GATEWAY_OPTIONS: JSON.stringify(options),
      // What glibc has been given back, the process gives back too (mallopt(3)): else nobody sees that it was.
      MALLOC_MMAP_THRESHOLD_: String(128 * 1024),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const gone = new AbortController()
  child.once('exit', () => gone.abort(new Error('The gateway has ended.')))

  async function ask(message: string): Promise<unknown> {
    const answered = once(child, 'message', { signal: gone.signal })
    child.send(message)
    return (await answered)[0]
  }

  await once(child, 'message', { signal: gone.signal })
  return {
    async measure(work) {
      await ask('begin')
      await work()
      return measuredSchema.parse(await ask('end'))
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      if (child.kill('SIGKILL')) await ended
    },
  }
}

const measuredSchema = z.object({ longestTurnMs: z.number(), growthBytes: z.number() })
