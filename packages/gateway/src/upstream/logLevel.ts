/** How much an upstream is to tell of what it does, from the most to the least (RFC 5424). */
const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

/** Undefined for whatever is none. */
export function logLevelOf(value: unknown): LogLevel | undefined {
  return LOG_LEVELS.find((level) => level === value)
}

/** Whether who wants to be told from this level on wants a message of that level. Nobody who does not say. */
export function isAtLeast(level: unknown, wanted: unknown): boolean {
  const from = LOG_LEVELS.findIndex((each) => each === wanted)
  return from !== -1 && LOG_LEVELS.findIndex((each) => each === level) >= from
}
