import { isInputRequiredResult, UrlElicitationRequiredError } from '@modelcontextprotocol/client'
import * as z from 'zod'
import { isSafeUrl } from '../http/safeUrl.ts'
import { ConnectionState } from '../readiness/connectionState.ts'
import { CONNECTION_META_KEY } from '../wire/constants.ts'

const connectionMetaSchema = z.object({
  id: z.string().optional(),
  name: z.string(),
  provider: z.string().optional(),
  status: z.string().optional(),
})

/** A request to open a URL, in either era's form. */
const urlElicitationSchema = z.object({
  mode: z.literal('url'),
  url: z.string(),
  _meta: z.record(z.string(), z.unknown()).optional(),
})

/**
 * The connections that a tool call wants authorized, with their links: from an `input_required` result (MCP 2026-07-28)
 * or a -32042 error (2025-11-25). Undefined if what came is neither; empty if it asks for something else than a link.
 *
 * @param toolName tells the connection where the endpoint does not.
 */
export function authorizationLinks(outcome: unknown, toolName: string): readonly ConnectionState[] | undefined {
  const elicitations = urlElicitations(outcome)
  return elicitations?.flatMap((params) => {
    const parsed = urlElicitationSchema.safeParse(params)
    return parsed.success ? [toConnectionState(parsed.data, toolName)] : []
  })
}

function urlElicitations(outcome: unknown): readonly unknown[] | undefined {
  if (outcome instanceof UrlElicitationRequiredError) return outcome.elicitations
  if (!isInputRequiredResult(outcome)) return undefined
  return Object.values(outcome.inputRequests ?? {})
    .filter((request) => request.method === 'elicitation/create')
    .map((request) => request.params)
}

function toConnectionState(elicitation: z.infer<typeof urlElicitationSchema>, toolName: string): ConnectionState {
  const { _meta: meta } = elicitation
  const named = connectionMetaSchema.safeParse(meta?.[CONNECTION_META_KEY])
  // The gateway's tools are named `connection__tool` where a config has several connections.
  const connection = named.success
    ? named.data
    : { name: toolName.includes('__') ? toolName.split('__')[0]! : toolName }
  return new ConnectionState({
    connectionId: ('id' in connection && connection.id) || connection.name,
    connectionName: connection.name,
    provider: 'provider' in connection ? connection.provider : undefined,
    status: ('status' in connection && connection.status) || 'PENDING_AUTH',
    authenticationLink: shownLink(elicitation.url),
  })
}

/** A person is going to open it: no `javascript:`, no plain http to elsewhere. */
function shownLink(url: string): string | undefined {
  return URL.canParse(url) && isSafeUrl(new URL(url)) ? url : undefined
}
