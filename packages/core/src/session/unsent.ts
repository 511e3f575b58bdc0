const unsent = new WeakSet<object>()

/** Says of an error that the request which failed with it had not left. */
export function noteUnsent(error: unknown): void {
  if (error instanceof Error) unsent.add(error)
}

/** Whether that was said of this error. */
export function isNotedUnsent(error: unknown): boolean {
  return error instanceof Error && unsent.has(error)
}
