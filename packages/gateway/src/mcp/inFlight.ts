import type { RequestId } from '../upstream/protocol.ts'

/** The calls under way in this process. */
export interface InFlight {
  /** Without a session the call cannot be cancelled by a message, for nobody else's id 5 is this client's id 5. */
  start(sessionId: string | undefined, requestId: RequestId, abort: AbortController): { end(): void }
  cancel(sessionId: string, requestId: RequestId): void
  close(): void
}

export function createInFlight(): InFlight {
  const calls = new Set<AbortController>()
  const bySession = new Map<string, AbortController>()
  return {
    start(sessionId, requestId, abort) {
      const key = sessionId === undefined ? undefined : keyOf(sessionId, requestId)
      calls.add(abort)
      if (key !== undefined) bySession.set(key, abort)
      return {
        end() {
          calls.delete(abort)
          if (key !== undefined && bySession.get(key) === abort) bySession.delete(key)
        },
      }
    },
    cancel(sessionId, requestId) {
      bySession.get(keyOf(sessionId, requestId))?.abort(new Error('the client cancelled the call'))
    },
    close() {
      for (const abort of calls) abort.abort(new Error('the gateway is closing'))
      calls.clear()
      bySession.clear()
    },
  }
}

function keyOf(sessionId: string, requestId: RequestId): string {
  return `${sessionId} ${JSON.stringify(requestId)}`
}
