import type { ToolReport } from './userTools.ts'

const warned = new Set<string>()

/** Emits a process warning for each connection whose tools are missing: once for each connection and reason. */
export function warnOfMissingTools(report: ToolReport): void {
  for (const { connection, reason } of report.unavailable) {
    const key = JSON.stringify([connection, reason])
    if (warned.has(key)) continue
    warned.add(key)
    process.emitWarning(`the tools of connection "${connection}" are missing: ${reason}`, {
      type: 'LatchkeyWarning',
      code: 'LATCHKEY_TOOLS_MISSING',
    })
  }
}
