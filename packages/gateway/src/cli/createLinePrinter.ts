import type { LogSink } from '../http/requestLog.ts'

/** Prints each record as one line of JSON: after the answers of this turn, and all of a turn in one write. */
export function createLinePrinter(output: { write(text: string): unknown }): LogSink {
  let lines = ''

  function flush(): void {
    const text = lines
    lines = ''
    output.write(text)
  }

  return (record) => {
    if (lines === '') setImmediate(flush)
    lines += `${JSON.stringify(record)}\n`
  }
}
