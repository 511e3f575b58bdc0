import type { Backend } from '../backends/backend.ts'
import type { ResolvedEndpoint } from '../session/resolvedEndpoint.ts'
import type { SessionPool } from '../session/sessionPool.ts'
import type { Deadline } from '../timing/deadline.ts'
import { SingleFlight } from '../timing/singleFlight.ts'
import type { Timing } from '../timing/timing.ts'
import type { Consent } from '../tools/callAfterConsent.ts'
import type { ConnectionState } from './connectionState.ts'
import type { InstanceWatch } from './instanceWatch.ts'
import { isSatisfied, unknownNames } from './requirement.ts'
import { showLinks } from './showLinks.ts'
import { waitEnded, waitForConnections } from './waitForConnections.ts'

type Show = (connections: readonly ConnectionState[]) => unknown

/** A wait in the middle of a run. */
export interface ConsentWait {
  /** Whose it is: waits of the same key, connections and callback are one. */
  readonly key: string
  /** For messages. */
  readonly subject: string
  readonly resolved: ResolvedEndpoint
  readonly watch: () => InstanceWatch<unknown>
  /** What is pending now, with fresh links. */
  readonly renew: (signal: AbortSignal) => Promise<readonly ConnectionState[]>
  /** What the call was refused for, with links. */
  readonly required: readonly ConnectionState[]
  readonly show: Show
  readonly deadline: Deadline
}

/** Waits for a user's consent after calls were refused for want of it: once for all calls, the links being shown once. */
export class ConsentWaits {
  readonly #options: { readonly backend: Backend; readonly timing: Timing; readonly pool: SessionPool }
  readonly #flights = new WeakMap<Show, SingleFlight<Consent>>()

  constructor(options: { backend: Backend; timing: Timing; pool: SessionPool }) {
    this.#options = options
  }

  async wait(wait: ConsentWait): Promise<Consent> {
    const { key, subject, required, show, deadline } = wait
    const flights = this.#flights.get(show) ?? new SingleFlight<Consent>()
    this.#flights.set(show, flights)
    const names = required.map(({ connectionName }) => connectionName)
    try {
      return await flights.run(JSON.stringify([key, names]), deadline.signal, (signal) =>
        this.#consent(wait, names, signal),
      )
    } catch (error) {
      throw deadline.signal.aborted ? waitEnded(deadline, subject, required) : error
    }
  }

  async #consent(wait: ConsentWait, names: readonly string[], signal: AbortSignal): Promise<Consent> {
    const { backend, timing, pool } = this.#options
    const { subject, resolved, required, show, watch, renew } = wait
    const { instance, credential, key } = resolved
    const initial = await backend.getAuthState(instance.id, { signal })
    const require = unknownNames(initial, names).length === 0 ? names : 'all'
    // Somebody else may have seen to it between the refusal and now.
    const isLacking = !isSatisfied(initial, require)
    if (isLacking) {
      await waitForConnections({
        watch: watch(),
        initial,
        linksShown: true,
        deadline: { signal, ended: undefined },
        subject,
        require,
        meanwhile: (waiting) => showLinks({ pending: required, show, renew, timing, signal: waiting }),
      })
    }
    // The account may be another one than the token was made for.
    credential.forget()
    pool.peek(key)?.forgetTools()
    return isLacking ? 'given' : 'unchanged'
  }
}
