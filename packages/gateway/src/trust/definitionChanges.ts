import { members } from '../upstream/jsonSpans.ts'

/** A member of two definitions that is not the same in both; each value as JSON, undefined where there is none. */
export interface DefinitionChange {
  readonly member: string
  readonly approved?: string
  readonly listed?: string
}

/** What differs between two canonical definitions of a tool. */
export function definitionChanges(approved: string, listed: string): readonly DefinitionChange[] {
  const before = valuesOf(approved)
  const after = valuesOf(listed)
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted()
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({
      member: name,
      ...(before.has(name) && { approved: before.get(name) ?? '' }),
      ...(after.has(name) && { listed: after.get(name) ?? '' }),
    }))
}

function valuesOf(definition: string): ReadonlyMap<string, string> {
  return new Map(members(definition).map(({ key, start, end }) => [key, definition.slice(start, end)]))
}
