import type { RequestLog } from '../services.ts'

/** One line of the log: plain data, no secret. `route` is the pattern, never the path, for paths hold secrets. */
export type LogRecord = Readonly<Record<string, string | number | boolean | undefined>>

/** Where log lines go; called before the answer is sent, so it should not block. Default of an embedded gateway: nowhere; of `latchkey serve`: standard output, as JSON. */
export type LogSink = (record: LogRecord) => void

/** Nobody reads it: what would be written need not be put together. */
export const NO_LOG: LogSink = () => undefined

/** A log that fails must not take an answer down, nor a change look as if it had not been made. */
export function neverFailing(log: LogSink): LogSink {
  if (log === NO_LOG) return NO_LOG
  return (record) => {
    try {
      log(record)
    } catch {
      // Where would one say so?
    }
  }
}

/** Collects the fields of one request's line. */
export function createRequestLog(): RequestLog & {
  readonly fields: Record<string, string | number | boolean | undefined>
} {
  // The fields' names are ours, so a plain object is safe, and a fast one.
  const fields: Record<string, string | number | boolean | undefined> = {}
  return {
    fields,
    set(field, value) {
      fields[field] = value
    },
  }
}
