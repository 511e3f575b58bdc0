import type { WireConnection } from '@latchkey/core/wire'
import type { Connection } from '../domain.ts'
import { Secret } from '../secret.ts'

/** Their keys are the caller's own, not names of ours. */
const OPAQUE_KEYS = new Set(['authorizationParameters', 'privateKey'])

/** A connection as the API spells it, without a secret: of each it says only that it is there. */
export function connectionToWire(connection: Connection, source: 'api' | 'configuration'): WireConnection {
  const { id, name, displayName, provider, mcpServerUrl, program, pinTools, auth } = connection
  return {
    id,
    name,
    display_name: displayName,
    provider,
    ...(program === undefined ? { mcp_server_url: mcpServerUrl } : { command: program.command }),
    ...(pinTools !== undefined && { pin_tools: pinTools }),
    source,
    auth: { type: auth.type, ...withoutSecrets(auth) },
  }
}

function withoutSecrets(auth: object): Record<string, unknown> {
  const shown = Object.entries(auth).flatMap(([key, value]: [string, unknown]): [string, unknown][] => {
    if (value === undefined) return []
    if (value instanceof Secret) return [[`has_${toSnake(key)}`, true]]
    return [[toSnake(key), OPAQUE_KEYS.has(key) ? value : inSnake(value)]]
  })
  return Object.fromEntries(shown)
}

/** What the API was sent, as the configuration file spells it. */
export function fromWire(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(body).map(([key, value]): [string, unknown] => {
    const ours = toCamel(key)
    return [ours, OPAQUE_KEYS.has(ours) ? value : inCamel(value)]
  })
  return Object.fromEntries(entries)
}

function inCamel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inCamel)
  return isRecord(value) ? fromWire(value) : value
}

function inSnake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnake)
  return isRecord(value) ? withoutSecrets(value) : value
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function toSnake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function toCamel(key: string): string {
  return key.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}
