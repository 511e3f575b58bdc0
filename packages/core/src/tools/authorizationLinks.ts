import { isInputRequiredResult, UrlElicitationRequiredError } from '@modelcontextprotocol/client'
import * as z from 'zod'
import { isSafeUrl } from '../http/safeUrl.ts'
import { ConnectionState } from '../readiness/connectionState.ts'
import { AUTHORIZE_INPUT_KEY_PREFIX } from '../wire/constants.ts'

/** A request to open a URL, the same in both eras. */
const urlElicitationSchema = z.object({ mode: z.literal('url'), url: z.string() })

interface Elicitation {
  readonly params: unknown
  /** What the connection is called, where the endpoint says so. */
  readonly connectionName: string | undefined
}

/**
 * The connections that a tool call wants authorized, with their links: from an `input_required` result (MCP 2026-07-28)
 * or a -32042 error (2025-11-25). Undefined if what came is neither; empty if it asks for something else than a link.
 *
 * @param toolName tells the connection where the endpoint does not, with the names of those that there are.
 */
export function authorizationLinks(
  outcome: unknown,
  toolName: string,
  connectionNames: readonly string[],
): readonly ConnectionState[] | undefined {
  return elicitations(outcome)?.flatMap(({ params, connectionName }) => {
    const parsed = urlElicitationSchema.safeParse(params)
    if (!parsed.success) return []
    return [toConnectionState(parsed.data.url, connectionName ?? connectionOfTool(toolName, connectionNames))]
  })
}

function elicitations(outcome: unknown): readonly Elicitation[] | undefined {
  if (outcome instanceof UrlElicitationRequiredError)
    return outcome.elicitations.map((params) => ({ params, connectionName: undefined }))
  if (!isInputRequiredResult(outcome)) return undefined
  return Object.entries(outcome.inputRequests ?? {})
    .filter(([, request]) => request.method === 'elicitation/create')
    .map(([key, request]) => ({ params: request.params, connectionName: connectionOfKey(key) }))
}

function connectionOfKey(key: string): string | undefined {
  return key.startsWith(AUTHORIZE_INPUT_KEY_PREFIX) ? key.slice(AUTHORIZE_INPUT_KEY_PREFIX.length) : undefined
}

/** The gateway's tools are named `connection__tool` where a config has several connections. */
function connectionOfTool(toolName: string, connectionNames: readonly string[]): string {
  const named = connectionNames.filter((name) => toolName.startsWith(`${name}__`))
  const [longest] = named.toSorted((a, b) => b.length - a.length)
  return longest ?? (connectionNames.length === 1 ? connectionNames[0] : undefined) ?? toolName
}

/** Neither era says the connection's id or status: what is known is that its user has to act. */
function toConnectionState(url: string, connectionName: string): ConnectionState {
  return new ConnectionState({
    connectionId: connectionName,
    connectionName,
    status: 'PENDING_AUTH',
    authenticationLink: shownLink(url),
  })
}

/** A person is going to open it: no `javascript:`, no plain http to elsewhere. */
function shownLink(url: string): string | undefined {
  return URL.canParse(url) && isSafeUrl(new URL(url)) ? url : undefined
}
