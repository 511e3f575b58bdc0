import { EventEmitter, on } from 'node:events'
import type { Backend } from '../backends/backend.ts'
import { SingleFlight } from '../timing/singleFlight.ts'
import type { Timing } from '../timing/timing.ts'
import type { ConsentWait } from './consentWaits.ts'
import { waitEnded } from './waitForConnections.ts'
import { waitForNews } from './waitForNews.ts'

/** A wait for more than was granted, where every connection is ACTIVE. */
export type GrantWait = Pick<ConsentWait, 'key' | 'subject' | 'resolved' | 'required' | 'show' | 'deadline'>

/** What all calls with the same callback share. */
interface Shared {
  readonly flights: SingleFlight<boolean>
  /** Tells by the key of a flight that its news may be lost. */
  readonly gaps: EventEmitter
}

/**
 * Waits until a user has granted more after calls were refused for want of it: once for all calls, the links being shown
 * once. Only an event tells when that is done.
 */
export class GrantWaits {
  readonly #options: { readonly backend: Backend; readonly timing: Timing }
  readonly #shared = new WeakMap<GrantWait['show'], Shared>()

  constructor(options: { backend: Backend; timing: Timing }) {
    this.#options = options
  }

  /**
   * Yields whenever the call is worth making once more: when it was told that more was granted, and ends after that; and
   * before, when that may have been told while nobody could hear it. Ends at once where nothing could tell it.
   */
  async *chances(wait: GrantWait): AsyncGenerator<void> {
    const { key, subject, required, show, deadline } = wait
    const { flights, gaps } = this.#sharedBy(show)
    const flight = JSON.stringify([key, namesOf(wait)])
    const left = new AbortController()
    // They are kept while the call is under way.
    const gapsOfFlight = on(gaps, flight)
    const nextGap = async () => {
      await gapsOfFlight.next()
    }
    try {
      const told = flights.run(flight, AbortSignal.any([deadline.signal, left.signal]), (signal) =>
        this.#listen(wait, () => gaps.emit(flight), signal),
      )
      for (;;) {
        const isTold = await Promise.race([told, nextGap()])
        if (isTold === false) return
        yield
        if (isTold) return
      }
    } catch (error) {
      throw deadline.signal.aborted ? waitEnded(deadline, subject, required) : error
    } finally {
      left.abort()
      await gapsOfFlight.return?.()
    }
  }

  /** @returns whether it was told; false where nothing could tell it. */
  async #listen(wait: GrantWait, onGap: () => void, signal: AbortSignal): Promise<boolean> {
    const { backend, timing } = this.#options
    const { resolved, required, show } = wait
    const mistake = Promise.withResolvers<never>()
    const waiting = new AbortController()
    const shown = async () => await show(required)
    const onOpen = () => void shown().catch(mistake.reject)
    const news = { backend, timing, instanceId: resolved.instance.id, names: namesOf(wait), onOpen, onGap }
    try {
      const told = waitForNews({ ...news, signal: AbortSignal.any([signal, waiting.signal]) })
      return await Promise.race([told, mistake.promise])
    } finally {
      waiting.abort()
    }
  }

  #sharedBy(show: GrantWait['show']): Shared {
    const shared = this.#shared.get(show) ?? { flights: new SingleFlight<boolean>(), gaps: new EventEmitter() }
    // As many as there are calls.
    shared.gaps.setMaxListeners(0)
    this.#shared.set(show, shared)
    return shared
  }
}

function namesOf({ required }: GrantWait): readonly string[] {
  return required.map(({ connectionName }) => connectionName)
}
