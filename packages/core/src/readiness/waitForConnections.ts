import { LatchkeyError } from '../errors.ts'
import type { Deadline } from '../timing/deadline.ts'
import { assess, isEnded } from './assess.ts'
import type { ConnectionState } from './connectionState.ts'
import type { InstanceWatch, Reading } from './instanceWatch.ts'
import { blocking, type Requirement } from './requirement.ts'

export interface WaitOptions<T> {
  readonly watch: InstanceWatch<T>
  /** The state at the start of the wait. */
  readonly initial: readonly ConnectionState[]
  /** Whether the user was given links for what was pending at the start. */
  readonly linksShown: boolean
  readonly deadline: Pick<Deadline, 'signal' | 'ended'>
  /** For messages: `user "u1"` or `instance ins_1`. */
  readonly subject: string
  /** Called whenever what is pending changes, and once at the start. An error it throws ends the wait. */
  readonly onPending?: ((pending: readonly ConnectionState[]) => unknown) | undefined
  /** Runs beside the wait: if it fails, so does the wait. Its signal is aborted when the wait is over. */
  readonly meanwhile?: ((signal: AbortSignal) => unknown) | undefined
  /** Which connections are waited for. Default: all. */
  readonly require?: Requirement | undefined
}

/**
 * Waits until every connection that is required is ACTIVE and gives the reading that said so. No timer, listener or socket is left when
 * it settles.
 *
 * @throws {LatchkeyError} `authorization_failed`, `authorization_timeout` or `aborted`, with what is still missing.
 */
export async function waitForConnections<T>(options: WaitOptions<T>): Promise<Reading<T>> {
  const { watch, initial, linksShown, deadline, subject, onPending, meanwhile, require = 'all' } = options
  const awaited = new Set(linksShown ? initial.filter(isEnded).map((state) => state.connectionId) : [])
  const { promise, resolve, reject } = Promise.withResolvers<Reading<T>>()
  const over = new AbortController()
  let missing = blocking(initial, require)
  let told: string | undefined

  const run = async (callback: (() => unknown) | undefined) => {
    try {
      await callback?.()
    } catch (error) {
      reject(error)
    }
  }
  const consider = (states: readonly ConnectionState[]) => {
    // Its link was used: if it ends again, only another one helps.
    for (const state of states) if (!isEnded(state)) awaited.delete(state.connectionId)
    const assessment = assess(states, awaited, require)
    missing = assessment.kind === 'ready' ? [] : assessment.pending
    if (assessment.kind === 'failed') return reject(failed(subject, assessment.failed, missing))
    const now = JSON.stringify(missing.map(({ connectionId, status }) => [connectionId, status]))
    if (assessment.kind === 'ready' || now === told) return
    told = now
    void run(() => onPending?.(assessment.pending))
  }
  const onAbort = () => reject(waitEnded(deadline, subject, missing))

  if (deadline.signal.aborted) throw waitEnded(deadline, subject, missing)
  deadline.signal.addEventListener('abort', onAbort)
  const unsubscribe = watch.subscribe({
    onReading(reading) {
      consider(reading.states)
      if (missing.length === 0) resolve(reading)
    },
    onRefused: reject,
  })
  try {
    consider(initial)
    void run(meanwhile && (() => meanwhile(over.signal)))
    return await promise
  } finally {
    over.abort()
    unsubscribe()
    deadline.signal.removeEventListener('abort', onAbort)
  }
}

function failed(
  subject: string,
  failures: readonly ConnectionState[],
  missing: readonly ConnectionState[],
): LatchkeyError {
  return new LatchkeyError(
    'authorization_failed',
    `the authorization of ${subject} failed: ${listed(failures)}; ask for a new link`,
    { connections: missing },
  )
}

/** The error of a wait that its deadline or a signal has ended. */
export function waitEnded(
  deadline: Pick<Deadline, 'signal' | 'ended'>,
  subject: string,
  missing: readonly ConnectionState[],
): LatchkeyError {
  const still = `still missing for ${subject}: ${listed(missing)}`
  if (deadline.ended === 'timeout')
    return new LatchkeyError('authorization_timeout', `the time to authorize is over; ${still}`, {
      connections: missing,
    })
  const { reason } = deadline.signal
  const why = reason instanceof LatchkeyError ? reason.message : 'waiting for authorization was aborted'
  return new LatchkeyError('aborted', `${why}; ${still}`, { connections: missing })
}

/** `mail (PENDING_AUTH), search (EXPIRED)`. */
export function listed(states: readonly ConnectionState[]): string {
  return states.map(({ connectionName, status }) => `${connectionName} (${status})`).join(', ') || 'nothing known'
}
