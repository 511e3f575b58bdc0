import { createHash } from 'node:crypto'
import type { McpConfig } from '../domain.ts'

/**
 * How the endpoint names tools. A name depends on the config alone, never on which accounts are ACTIVE or who answered
 * first: as the upstream gives it where the config has one connection, `connection__tool` where it has several, or as
 * the config says.
 *
 * A name that not every model provider would accept is made safe and ends in `_` and 8 hex digits of a SHA-256 of what
 * it stands for. Names that happen to end so already are treated in the same way, so a changed name never meets an
 * unchanged one.
 */
export interface ToolNaming {
  /** Whether the connection's name comes first. */
  readonly prefixed: boolean
}

/** As the config says; else plain where it has one connection and prefixed where it has several. */
export function namingOf({ mappings, toolNames }: Pick<McpConfig, 'mappings' | 'toolNames'>): ToolNaming {
  return { prefixed: toolNames === undefined ? mappings.length > 1 : toolNames === 'prefixed' }
}

const SAFE = /^[A-Za-z0-9_-]{1,64}$/
const LOOKS_CHANGED = /_[0-9a-f]{8}$/
const MAX_LENGTH = 64
const HASH_LENGTH = 8
const SEPARATOR = '__'

export function exposedToolName(naming: ToolNaming, connectionName: string, upstreamName: string): string {
  const full = naming.prefixed ? `${connectionName}${SEPARATOR}${upstreamName}` : upstreamName
  if (isUnchanged(naming, connectionName, full)) return full
  const room = MAX_LENGTH - HASH_LENGTH - 1
  const safe = full.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, room)
  const identity = naming.prefixed ? `${connectionName}\n${upstreamName}` : upstreamName
  return `${safe}_${createHash('sha256').update(identity).digest('hex').slice(0, HASH_LENGTH)}`
}

/** Why {@link exposedToolName} does not leave the full name as it is; undefined where it does. */
export function renamedFor(
  naming: ToolNaming,
  connectionName: string,
  upstreamName: string,
): 'unsafe_characters' | 'too_long' | 'ambiguous' | undefined {
  const full = naming.prefixed ? `${connectionName}${SEPARATOR}${upstreamName}` : upstreamName
  if (isUnchanged(naming, connectionName, full)) return undefined
  if (/[^A-Za-z0-9_-]/.test(full)) return 'unsafe_characters'
  return full.length > MAX_LENGTH ? 'too_long' : 'ambiguous'
}

/** Whether an exposed name cannot be read back, and has to be looked up among the names that it may stand for. */
export function isChangedToolName(exposed: string): boolean {
  return LOOKS_CHANGED.test(exposed)
}

/** Whether a name can belong to this connection at all; cheap, and never wrong in saying no. */
export function mayBelongTo(naming: ToolNaming, connectionName: string, exposed: string): boolean {
  return !naming.prefixed || exposed.startsWith(`${connectionName}${SEPARATOR}`)
}

/** The upstream's name, where the exposed name is the full name unchanged; undefined where it is not. */
export function unchangedUpstreamName(naming: ToolNaming, connectionName: string, exposed: string): string | undefined {
  if (!mayBelongTo(naming, connectionName, exposed)) return undefined
  const upstreamName = naming.prefixed ? exposed.slice(connectionName.length + SEPARATOR.length) : exposed
  return isUnchanged(naming, connectionName, exposed) && upstreamName !== '' ? upstreamName : undefined
}

function isUnchanged(naming: ToolNaming, connectionName: string, full: string): boolean {
  if (!SAFE.test(full) || LOOKS_CHANGED.test(full)) return false
  // `a_` + `__` + `x` and `a` + `__` + `_x` are the same text.
  return !naming.prefixed || !connectionName.endsWith('_')
}
