import type { LogSink } from '../http/requestLog.ts'

export interface ListenersOptions<T> {
  /** Told when a listener fails. Default: nowhere. */
  readonly log?: LogSink | undefined
  /** What the log line names it by. */
  readonly describe: (told: T) => Readonly<Record<string, string | number>>
}

export interface Listeners<T> {
  /** Gives the unsubscriber. */
  readonly subscribe: (listener: (told: T) => void) => () => void
  readonly tell: (told: T) => void
}

/** Whoever wants to hear of what has been committed: a listener that fails must not make it look as if it had not been. */
export function createListeners<T>({ log = () => undefined, describe }: ListenersOptions<T>): Listeners<T> {
  const listeners = new Set<(told: T) => void>()
  return {
    subscribe: (listener) => {
      // A function of its own, so that one listener that subscribes twice is told twice and can end each by itself.
      const entry = (told: T) => listener(told)
      listeners.add(entry)
      return () => listeners.delete(entry)
    },
    tell: (told) => {
      for (const listener of listeners) {
        try {
          listener(told)
        } catch (error) {
          const name = error instanceof Error ? error.name : 'unknown'
          log({ level: 'error', message: 'a listener failed on an event', error: name, ...describe(told) })
        }
      }
    },
  }
}
