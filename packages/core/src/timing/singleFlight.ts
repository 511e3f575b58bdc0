import { untilAborted } from './untilAborted.ts'

interface Flight<T> {
  readonly promise: Promise<T>
  readonly controller: AbortController
  waiting: number
}

/**
 * Does a piece of work once for everybody who asks for the same key while it runs. Each caller keeps its own signal:
 * one that leaves does not end the work for the others; when the last one leaves, the work is aborted.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  async run(key: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiting += 1
    try {
      return await untilAborted(flight.promise, signal)
    } finally {
      flight.waiting -= 1
      if (flight.waiting === 0) this.#abandon(key, flight, signal?.reason)
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const flight: Flight<T> = { promise: work(controller.signal), controller, waiting: 0 }
    const land = () => this.#forget(key, flight)
    flight.promise.then(land, land)
    this.#flights.set(key, flight)
    return flight
  }

  /** Nothing happens if the work has landed already. */
  #abandon(key: string, flight: Flight<T>, reason: unknown): void {
    this.#forget(key, flight)
    flight.controller.abort(reason)
  }

  #forget(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
