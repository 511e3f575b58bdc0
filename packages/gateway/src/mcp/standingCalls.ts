import type { AccountEvent, Change } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Changes, EventLog } from '../services.ts'
import type { Denied, Principal } from './authenticate.ts'

/** A call under way, and what it stands on. */
export interface StandingCall {
  readonly principal: Principal
  readonly abort: AbortController
  /** Known once the tool is found. */
  accountId?: string
  /** Set when the caller has no access any more: what the caller is told instead of an answer. */
  denied?: Denied
}

export interface StandingCalls {
  add(call: StandingCall): () => void
  /** How many changes have been told so far. */
  changeCount(): number
  close(): void
}

/**
 * Ends the calls, and the streams that answer them, whose caller has lost the access, or whose account was removed: what
 * was let in once must not go on for as long as it likes (security T67). The caller is looked at anew in the same way as
 * at the beginning, so that nothing else has to know what ends an access.
 */
export function createStandingCalls(deps: {
  readonly events: Pick<EventLog, 'subscribe'>
  readonly changes: Pick<Changes, 'subscribe'>
}): StandingCalls {
  const calls = new Set<StandingCall>()
  let changeCount = 0

  function onEvent({ accountId, status }: AccountEvent): void {
    if (status !== 'DISCONNECTED') return
    for (const call of calls) if (call.accountId === accountId) call.abort.abort(removed())
  }

  function onChange(change: Change): void {
    changeCount += 1
    for (const call of calls) if (isAbout(change, call.principal)) void lookAgain(call)
  }

  async function lookAgain(call: StandingCall): Promise<void> {
    // What cannot be found out now is found out at the next request.
    const found = await call.principal.again().catch(() => call.principal)
    if (typeof found !== 'string' || !calls.has(call)) return
    call.denied = found
    call.abort.abort(revoked())
  }

  const unsubscribers = [deps.events.subscribe(onEvent), deps.changes.subscribe(onChange)]
  return {
    add(call) {
      calls.add(call)
      // What was told while the caller was let in has not been looked at for this call.
      if (call.principal.since !== changeCount) void lookAgain(call)
      return () => void calls.delete(call)
    },
    changeCount: () => changeCount,
    close: () => unsubscribers.forEach((unsubscribe) => unsubscribe()),
  }
}

/** Whether this may have ended the access. With an instance go the session tokens of its user, whom the change does not name. */
function isAbout({ kind, subject }: Change, { userIdentifier, instanceId, config }: Principal): boolean {
  if (kind === 'user') return subject === userIdentifier
  if (kind === 'config') return subject === config.id
  return instanceId === undefined || subject === instanceId
}

function revoked(): GatewayError {
  return new GatewayError('unauthorized', 'The access was revoked. The call may have been carried out.')
}

function removed(): GatewayError {
  return new GatewayError('consent_required', 'The account was disconnected. The call may have been carried out.')
}
