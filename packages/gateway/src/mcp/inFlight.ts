import { GatewayError } from '../errors.ts'
import type { RequestId } from '../upstream/protocol.ts'

/** The calls under way in this process. */
export interface InFlight {
  /** Without a session the call cannot be cancelled by a message, for nobody else's id 5 is this client's id 5. */
  start(sessionId: string | undefined, requestId: RequestId, abort: AbortController): { end(): void }
  cancel(sessionId: string, requestId: RequestId): void
  /** Lets the calls under way end for as long as this, then ends them. */
  close(graceMs: number): Promise<void>
}

export function createInFlight(): InFlight {
  const calls = new Set<AbortController>()
  const bySession = new Map<string, AbortController>()
  let onIdle: (() => void) | undefined
  return {
    start(sessionId, requestId, abort) {
      const key = sessionId === undefined ? undefined : keyOf(sessionId, requestId)
      calls.add(abort)
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
    async close(graceMs) {
      await idleWithin(graceMs)
      for (const abort of calls) abort.abort(closing())
      calls.clear()
      bySession.clear()
    },
  }

  async function idleWithin(graceMs: number): Promise<void> {
    if (calls.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    onIdle = resolve
    const timer = setTimeout(resolve, graceMs)
    await promise
    clearTimeout(timer)
  }
}

function closing(): GatewayError {
  const message = 'The gateway is closing. The call may have been carried out: check before you call again.'
  return new GatewayError('upstream_unavailable', message)
}

function keyOf(sessionId: string, requestId: RequestId): string {
  return `${sessionId} ${JSON.stringify(requestId)}`
}
