import { LatchkeyError } from '../errors.ts'
import type { Deadline } from '../timing/deadline.ts'
import { assess, isEnded } from './assess.ts'
import type { ConnectionState } from './connectionState.ts'
import type { InstanceWatch, Reading } from './instanceWatch.ts'

export interface WaitOptions<T> {
  readonly watch: InstanceWatch<T>
  /** The state at the start of the wait. */
  readonly initial: readonly ConnectionState[]
  /** Whether the user was given links for what was pending at the start. */
  readonly linksShown: boolean
  readonly deadline: Deadline
  /** For messages: `user "u1"` or `instance ins_1`. */
  readonly subject: string
  /** Called whenever what is pending changes, and once at the start. An error it throws ends the wait. */
  readonly onPending?: ((pending: readonly ConnectionState[]) => unknown) | undefined
  /** Runs beside the wait: if it fails, so does the wait. */
  readonly meanwhile?: (() => unknown) | undefined
}

/**
 * Waits until every connection is ACTIVE and gives the reading that said so. No timer, listener or socket is left when
 * it settles.
 *
 * @throws {LatchkeyError} `authorization_failed`, `authorization_timeout` or `aborted`, with what is still missing.
 */
export async function waitForConnections<T>(options: WaitOptions<T>): Promise<Reading<T>> {
  const { watch, initial, linksShown, deadline, subject, onPending, meanwhile } = options
  const awaited = new Set(linksShown ? initial.filter(isEnded).map((state) => state.connectionId) : [])
  const { promise, resolve, reject } = Promise.withResolvers<Reading<T>>()
  let missing = initial.filter((state) => !state.isActive)
  let told: string | undefined

  const run = async (callback: (() => unknown) | undefined) => {
    try {
      await callback?.()
    } catch (error) {
      reject(error)
    }
  }
  const consider = (states: readonly ConnectionState[]) => {
    const assessment = assess(states, awaited)
    missing = assessment.kind === 'ready' ? [] : [...assessment.pending]
    if (assessment.kind === 'failed') return reject(failed(subject, assessment.failed, missing))
    const now = JSON.stringify(missing.map(({ connectionId, status }) => [connectionId, status]))
    if (assessment.kind === 'ready' || now === told) return
    told = now
    void run(() => onPending?.(assessment.pending))
  }
  const onAbort = () => reject(ended(deadline, subject, missing))

  if (deadline.signal.aborted) throw ended(deadline, subject, missing)
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
    void run(meanwhile)
    return await promise
  } finally {
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

function ended(deadline: Deadline, subject: string, missing: readonly ConnectionState[]): LatchkeyError {
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
