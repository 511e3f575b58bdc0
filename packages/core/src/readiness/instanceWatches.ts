import { InstanceWatch, type WatchOptions } from './instanceWatch.ts'

/** The watches that somebody listens to: one for all who wait for the same thing. */
export class InstanceWatches<T> {
  readonly #watches = new Map<string, InstanceWatch<T>>()

  /** The watch of this key, made if there is none. Subscribe at once: it is forgotten when its last listener leaves. */
  get(key: string, options: Omit<WatchOptions<T>, 'onIdle'>): InstanceWatch<T> {
    const running = this.#watches.get(key)
    if (running) return running
    const watch = new InstanceWatch({ ...options, onIdle: () => this.#watches.delete(key) })
    this.#watches.set(key, watch)
    return watch
  }
}
