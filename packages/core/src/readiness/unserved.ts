import type { ToolReport } from '../tools/userTools.ts'
import type { ConnectionState } from './connectionState.ts'
import type { Requirement } from './requirement.ts'

/** What is not served although it is ACTIVE. */
export interface Unserved {
  /** For messages: `mail (unreachable)`. */
  readonly why: string
  /** Whether the agent cannot do without, so that it is not ready. */
  readonly isRequired: boolean
}

/**
 * Pure. Which connections are ACTIVE, and yet the endpoint cannot list their tools: those that are required by name; all
 * there are, where any will do; and those that have only just been connected, which often fail for a moment. Where
 * everything is required by default, an upstream that is down does not keep the agent from the others: it is reported.
 * A refused credential is not among them: its user is asked.
 */
export function unserved(
  unavailable: ToolReport['unavailable'],
  given: { states: readonly ConnectionState[]; fresh: readonly string[]; require: Requirement },
): Unserved | undefined {
  const { states, fresh, require } = given
  const failing = unavailable.filter(({ reason }) => reason !== 'authorization_required')
  const named = typeof require === 'string' ? [] : failing.filter(({ connection }) => require.includes(connection))
  if (named.length > 0) return { why: listed(named), isRequired: true }
  const active = states.filter((state) => state.isActive)
  const isFailing = (name: string) => failing.some(({ connection }) => connection === name)
  if (require === 'any' && active.length > 0 && active.every((state) => isFailing(state.connectionName)))
    return { why: listed(failing), isRequired: true }
  const failingFresh = failing.filter(({ connection }) => fresh.includes(connection))
  return failingFresh.length > 0 ? { why: listed(failingFresh), isRequired: false } : undefined
}

function listed(unavailable: ToolReport['unavailable']): string {
  return unavailable.map(({ connection, reason }) => `${connection} (${reason})`).join(', ')
}
