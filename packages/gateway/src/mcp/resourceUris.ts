import type { ToolNaming } from './toolNames.ts'

/**
 * How the endpoint names resources. Where the config has one connection, as the upstream does. Where it has several, a
 * URI does not say whose it is, so it is `latchkey:connection:` and the upstream's URI: a URI still, and a template
 * still, which can be read back without asking anybody.
 */
export function exposedUri({ prefixed }: ToolNaming, connectionName: string, uri: string): string {
  return prefixed ? `${prefixOf(connectionName)}${uri}` : uri
}

/** The upstream's URI; undefined where the exposed one is not of this connection. */
export function upstreamUri({ prefixed }: ToolNaming, connectionName: string, exposed: string): string | undefined {
  if (!prefixed) return exposed
  const prefix = prefixOf(connectionName)
  return exposed.startsWith(prefix) ? exposed.slice(prefix.length) : undefined
}

function prefixOf(connectionName: string): string {
  return `latchkey:${connectionName}:`
}
