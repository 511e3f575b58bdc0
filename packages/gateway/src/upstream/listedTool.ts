import { createHash } from 'node:crypto'
import type { ListedTool } from '../services.ts'
import { canonicalJson } from './canonicalJson.ts'

/** What a model is told of a tool, and what decides how it is called (security T48). */
const PINNED_MEMBERS: ReadonlySet<string> = new Set([
  'name',
  'title',
  'description',
  'inputSchema',
  'outputSchema',
  'annotations',
  'icons',
  '_meta',
])

/** A tool by what its upstream says of it, in canonical form, with the SHA-256 of that in base64url. */
export function listedTool(tool: string, json: string): ListedTool {
  const definition = canonicalJson(json, PINNED_MEMBERS)
  return { tool, definition, digest: createHash('sha256').update(definition).digest('base64url') }
}
