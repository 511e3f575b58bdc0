import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { GuardedFetchInit, RefreshWatch } from '../services.ts'
import { clientOf } from './client.ts'
import type { OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import { classifyFailure } from './protocolError.ts'
import type { Registrar } from './registrar.ts'
import { type OAuthCredential, resourceParameter, toCredential, tokenAnswer } from './tokens.ts'

interface Parts {
  readonly discovery: Discovery
  readonly registrar: Registrar
}

/**
 * How long a server may take to renew a grant, in milliseconds. Longer than any other request of the flow: giving up
 * before an answer that would have come costs the grant where refresh tokens work once (security T64).
 */
const REFRESH_DEADLINE_MS = 60_000
/** Answers of a proxy that does not know what became of the request. */
const NO_ANSWER = new Set([502, 504])

/** One refresh request to the server that made the grant. Whoever calls sees to it that there is one at a time. */
export async function refreshGrant(
  context: OAuthContext,
  parts: Parts,
  connection: Connection,
  credential: OAuthCredential,
  watch?: RefreshWatch,
): Promise<OAuthCredential> {
  try {
    return await requestTokens(context, parts, connection, credential, watch)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'consent_required') throw error
    // Whatever else it was, it may pass: the grant is kept (security T66).
    throw new GatewayError(
      'upstream_unavailable',
      `${connection.displayName} did not renew its access. Try again later.`,
    )
  }
}

async function requestTokens(
  context: OAuthContext,
  { discovery, registrar }: Parts,
  connection: Connection,
  credential: OAuthCredential,
  watch: RefreshWatch | undefined,
): Promise<OAuthCredential> {
  const { refreshToken, resource } = credential
  if (refreshToken === undefined) throw consentRequired(connection)
  const server = await discovery.server(connection, credential.issuer)
  const found = await clientOf(context, registrar, connection, server, credential.clientId)
  if (found === undefined) throw consentRequired(connection)
  const { client, authentication, dynamic } = found
  try {
    const response = await oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, {
      ...patientRequest(context, watch),
      additionalParameters: resourceParameter(connection, resource),
    })
    const tokens = await oauth.processRefreshTokenResponse(server, client, response, tokenAnswer(connection))
    return toCredential(connection, tokens, credential, context.clock())
  } catch (error) {
    const failure = await classifyFailure(error)
    const refusedAs = failure.kind === 'refused' ? failure.error : undefined
    // A client that we registered ourselves and that is gone has taken its grants with it.
    const clientIsGone = refusedAs === 'invalid_client' && dynamic
    if (clientIsGone) await registrar.forget(server.issuer, client.client_id)
    throw clientIsGone || isDefinite(refusedAs) ? consentRequired(connection, refusedAs) : error
  }
}

/**
 * What no waiting helps against: the grant is gone, or will not be renewed as it is. `invalid_request` is not among them:
 * it may be about the request and not the grant; nor is `invalid_client` of a client that the configuration names, which
 * whoever runs the gateway can set right. `bad_refresh_token` is GitHub's word.
 */
const DEFINITE_REFUSALS = new Set([
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'bad_refresh_token',
])

function isDefinite(refusedAs: string | undefined): boolean {
  return refusedAs !== undefined && DEFINITE_REFUSALS.has(refusedAs)
}

function patientRequest({ fetch, allowLoopback }: OAuthContext, watch: RefreshWatch | undefined) {
  return {
    [oauth.allowInsecureRequests]: allowLoopback,
    [oauth.customFetch]: async (url: string, init: GuardedFetchInit) => {
      await watch?.beforeRequest()
      const response = await fetch(url, {
        ...init,
        headersTimeoutMs: REFRESH_DEADLINE_MS,
        signal: AbortSignal.timeout(REFRESH_DEADLINE_MS),
      })
      if (!response.ok && !NO_ANSWER.has(response.status)) watch?.onRefusal()
      return response
    },
  }
}

/** `reason` is one of the words that we know; it is never a server's own text. */
function consentRequired(connection: Connection, reason?: string): GatewayError {
  const because = reason === undefined ? '' : ` Its authorization server answered "${reason}".`
  return new GatewayError('consent_required', `${connection.displayName} must be connected again.${because}`)
}
