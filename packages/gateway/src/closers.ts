/** What has to be closed, in the order in which it was opened. */
export interface Closers {
  readonly add: (close: () => void | Promise<void>) => void
  /**
   * Closes everything once, the last one first, each although another one failed. Every call gives the same promise.
   *
   * @throws what a closer threw, or an `AggregateError` if several did.
   */
  readonly closeAll: () => Promise<void>
}

/** Like `AsyncDisposableStack`, which Node has had only since version 24. */
export function createClosers(): Closers {
  const closers: (() => void | Promise<void>)[] = []
  let closed: Promise<void> | undefined
  return {
    add: (close) => void closers.push(close),
    closeAll: () => (closed ??= closeInReverse(closers)),
  }
}

async function closeInReverse(closers: readonly (() => void | Promise<void>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const close of closers.toReversed()) {
    try {
      await close()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 1) throw new AggregateError(errors, 'Several parts could not be closed.')
  if (errors.length === 1) throw errors[0]
}
