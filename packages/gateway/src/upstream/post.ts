import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { GuardedAnswer, GuardedFetch, OpenedCredential } from '../services.ts'
import { CredentialRefused, invalidUpstream, ProgramFailed, ScopeRefused, unavailable } from './failures.ts'
import { JSON_TYPE, SSE_TYPE } from './protocol.ts'
import { scopeChallenge } from './scopeChallenge.ts'

/** A message on its way to an upstream. */
export interface Outgoing {
  /** Default `POST`; the others have no body. */
  readonly method?: 'POST' | 'GET' | 'DELETE'
  readonly body?: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export interface PostLimits {
  readonly signal: AbortSignal | undefined
  readonly maxBytes: number
  readonly headersTimeoutMs: number
  readonly bodyIdleTimeoutMs: number
}

export interface PostTarget {
  readonly connection: Connection
  /** Keeps one account's sockets apart from every other's (security T51). */
  readonly partition: string
  readonly opened: OpenedCredential
}

const ACCEPT = `${JSON_TYPE}, ${SSE_TYPE}`

/**
 * Sends one message, once. The headers are ours and the credential's: nothing that a client sent reaches an upstream
 * unless it was put into `outgoing` by name (security T9).
 */
export async function post(
  fetch: GuardedFetch,
  { connection, partition, opened }: PostTarget,
  { method = 'POST', body, headers }: Outgoing,
  limits: PostLimits,
): Promise<GuardedAnswer> {
  const all: Record<string, string> = { ...headers, accept: method === 'GET' ? SSE_TYPE : ACCEPT }
  if (method === 'POST') all['content-type'] = JSON_TYPE
  for (const [name, value] of Object.entries(opened.headers)) all[name.toLowerCase()] = value
  const { signal, ...sizes } = limits
  let response: GuardedAnswer
  try {
    const { query } = opened
    const program = programFor(connection, opened)
    const init = { method, headers: all, body: body ?? null, partition, ...sizes, ...(query && { query }), ...program }
    response = await fetch.send(connection.mcpServerUrl, signal === undefined ? init : { ...init, signal })
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof GatewayError && error.code === 'upstream_invalid') {
      throw invalidUpstream(connection, 'gave an answer that the gateway does not accept', error)
    }
    throw unavailable(connection, error instanceof ProgramFailed ? error.message : 'could not be reached', error)
  }
  if (response.status === 401) {
    response.discard()
    throw new CredentialRefused()
  }
  const scope = response.status === 403 ? scopeChallenge(response.headers['www-authenticate']) : undefined
  if (scope === undefined || connection.auth.type !== 'oauth2') return response
  response.discard()
  throw new ScopeRefused(connection, scope)
}

function programFor({ program }: Connection, { variables = {}, generation }: OpenedCredential) {
  return program && { program: { program, variables, generation } }
}
