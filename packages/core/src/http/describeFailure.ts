/**
 * The words of a foreign error that may be shown: one line, no URL (it can hold a secret), not endless.
 */
export function describeFailure(error: unknown): string {
  const message = error instanceof Error ? innermost(error).message || error.name : String(error)
  return shownText(message)
}

/** As {@link describeFailure}, for text that another program sent. */
export function shownText(text: string): string {
  const line = text
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .replaceAll(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, '[url]')
    .trim()
  return line.length > 500 ? `${line.slice(0, 500)}…` : line
}

/** `fetch failed` says nothing; what it wraps does. */
export function innermost(error: Error): Error {
  let inner = error
  for (let depth = 0; depth < 5 && inner.cause instanceof Error; depth += 1) inner = inner.cause
  return inner
}
