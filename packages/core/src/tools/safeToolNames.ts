import { createHash } from 'node:crypto'

/**
 * What every model provider accepts. That a name begins with a letter or `_` is what Gemini wants (Gemini API,
 * `FunctionDeclaration.name`).
 */
const SAFE_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
const MAX_LENGTH = 64
const HASH_LENGTH = 8

/**
 * A name that every model provider accepts, for each MCP tool name: the same one where that is safe, else its safe
 * characters and a hash of the whole. A tool's name does not depend on which other tools there are.
 *
 * @returns the safe names by MCP name; a name that cannot be told apart from another's is absent.
 */
export function safeToolNames(mcpNames: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  const taken = new Set(mcpNames.filter(isSafe))
  for (const mcpName of mcpNames) {
    if (isSafe(mcpName)) {
      names.set(mcpName, mcpName)
      continue
    }
    const name = hashedName(mcpName)
    if (taken.has(name) && names.get(mcpName) !== name) continue
    taken.add(name)
    names.set(mcpName, name)
  }
  return names
}

function isSafe(mcpName: string): boolean {
  return SAFE_NAME.test(mcpName)
}

function hashedName(mcpName: string): string {
  const hash = createHash('sha256').update(mcpName).digest('hex').slice(0, HASH_LENGTH)
  const stem = mcpName
    .replaceAll(/[^A-Za-z0-9_-]+/g, '_')
    .replace(/^[^A-Za-z_]/, '_$&')
    .slice(0, MAX_LENGTH - HASH_LENGTH - 1)
  return `${stem}_${hash}`
}
