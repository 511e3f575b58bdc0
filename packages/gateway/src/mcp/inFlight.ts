import { GatewayError } from '../errors.ts'
import type { RequestId } from '../upstream/protocol.ts'
import { asParsed } from '../upstream/writtenNumber.ts'

/** The calls under way in this process. */
export interface InFlight {
  /** Without a session the call cannot be cancelled by a message, for nobody else's id 5 is this client's id 5. */
  start(sessionId: string | undefined, requestId: RequestId, abort: AbortController): { end(): void }
  cancel(sessionId: string, requestId: RequestId): void
  /** Lets calls end for as long as this, also those that start until `started`, then ends them and all that come later. */
  close(graceMs: number, started: Promise<unknown>): Promise<void>
}

export function createInFlight(): InFlight {
  const calls = new Set<AbortController>()
  const bySession = new Map<string, AbortController>()
  let onIdle: (() => void) | undefined
  let isOver = false
  return {
    start(sessionId, requestId, abort) {
      const key = sessionId === undefined ? undefined : keyOf(sessionId, requestId)
      calls.add(abort)
      if (isOver) abort.abort(closing())
      if (key !== undefined) bySession.set(key, abort)
      return {
        end() {
          calls.delete(abort)
          if (calls.size === 0) onIdle?.()
          if (key !== undefined && bySession.get(key) === abort) bySession.delete(key)
        },
      }
    },
    cancel(sessionId, requestId) {
      bySession.get(keyOf(sessionId, requestId))?.abort(new Error('the client cancelled the call'))
    },
    async close(graceMs, started) {
      await within(graceMs, started.then(idle))
      isOver = true
      for (const abort of calls) abort.abort(closing())
      calls.clear()
      bySession.clear()
    },
  }

  async function idle(): Promise<void> {
    if (calls.size > 0) await new Promise<void>((resolve) => (onIdle = resolve))
  }
}

async function within(graceMs: number, ended: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, graceMs)
  await Promise.race([ended, promise])
  clearTimeout(timer)
}

function closing(): GatewayError {
  const message = 'The gateway is closing. The call may have been carried out: check before you call again.'
  return new GatewayError('upstream_unavailable', message)
}

function keyOf(sessionId: string, requestId: RequestId): string {
  return `${sessionId} ${JSON.stringify(asParsed(requestId))}`
}
