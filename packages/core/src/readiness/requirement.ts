import type { ConnectionState } from './connectionState.ts'

/**
 * Which connections must be ACTIVE before an agent may start: every one; at least one; or the ones that are named. The
 * others are told as `missing`, and their tools are there as soon as they are ACTIVE.
 */
export type Requirement = 'all' | 'any' | readonly string[]

/** @throws {TypeError} when it is none. */
export function checkRequirement(require: unknown): void {
  if (require === undefined || require === 'all' || require === 'any') return
  const isNames = Array.isArray(require) && require.every((name) => typeof name === 'string' && name !== '')
  if (isNames && require.length > 0) return
  throw new TypeError("`require` must be 'all', 'any' or a list of at least one connection's name")
}

/** Pure. Whether what is ACTIVE is enough. */
export function isSatisfied(states: readonly ConnectionState[], require: Requirement): boolean {
  if (require === 'any') return states.length === 0 || states.some((state) => state.isActive)
  return blocking(states, require).length === 0
}

/** Pure. The connections that are waited for, of those that are not ACTIVE. */
export function blocking(states: readonly ConnectionState[], require: Requirement): readonly ConnectionState[] {
  const pending = states.filter((state) => !state.isActive)
  return typeof require === 'string' ? pending : pending.filter((state) => require.includes(state.connectionName))
}

/** Pure. The names in a requirement that are no connection's. */
export function unknownNames(states: readonly ConnectionState[], require: Requirement): readonly string[] {
  if (typeof require === 'string') return []
  const known = new Set(states.map(({ connectionName }) => connectionName))
  return require.filter((name) => !known.has(name))
}
