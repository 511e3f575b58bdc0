import type { ConnectionState } from '@latchkey/core'
import { paint } from './output.ts'
import { shown } from './shown.ts'
import { table } from './table.ts'

/** What each status asks for. */
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  ACTIVE: '',
  PENDING_AUTH: 'the user has to open a link: latchkey connect',
  PENDING_VERIFICATION: 'the app has to verify who consented',
  EXPIRED: 'the user has to consent again: latchkey connect',
  DISCONNECTED: 'it was removed; the user may connect it again: latchkey connect',
}

/** Connections with their status, as lines for people. */
export function stateTable(states: readonly ConnectionState[]): string[] {
  const rows = states.map(({ connectionName, status }) => [
    shown(connectionName),
    shown(status),
    WHAT_TO_DO[status] ?? '',
  ])
  return table(['connection', 'status', 'what to do'], rows).map((line, index) => {
    const state = states[index - 1]
    if (state === undefined) return paint('dim', line)
    return state.isActive ? paint('green', line) : paint('yellow', line)
  })
}

/** The same for `--json`. */
export function stateJson({ connectionName, status, provider, connectedAccountId }: ConnectionState) {
  return { connection: connectionName, status, provider, connectedAccountId }
}
