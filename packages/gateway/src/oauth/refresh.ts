import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { clientFor } from './client.ts'
import type { OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import { classifyFailure } from './protocolError.ts'
import { protocolRequest } from './protocolRequest.ts'
import type { Registrar } from './registrar.ts'
import { type OAuthCredential, toCredential } from './tokens.ts'

interface Parts {
  readonly discovery: Discovery
  readonly registrar: Registrar
}

/** One refresh request to the server that made the grant. Whoever calls sees to it that there is one at a time. */
export async function refreshGrant(
  context: OAuthContext,
  parts: Parts,
  connection: Connection,
  credential: OAuthCredential,
): Promise<OAuthCredential> {
  try {
    return await requestTokens(context, parts, connection, credential)
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
): Promise<OAuthCredential> {
  const { refreshToken, resource } = credential
  if (refreshToken === undefined) throw consentRequired(connection)
  const server = await discovery.server(connection, credential.issuer)
  const { client, authentication, dynamic } = await clientFor(context, registrar, connection, server)
  if (client.client_id !== credential.clientId) throw consentRequired(connection)
  try {
    const response = await oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, {
      ...protocolRequest(context),
      additionalParameters: { resource },
    })
    const tokens = await oauth.processRefreshTokenResponse(server, client, response)
    return toCredential(connection, tokens, credential, context.clock())
  } catch (error) {
    const failure = classifyFailure(error)
    const refusedAs = failure.kind === 'refused' ? failure.error : undefined
    // A client that we registered ourselves and that is gone has taken its grants with it.
    const clientIsGone = refusedAs === 'invalid_client' && dynamic
    if (clientIsGone) await registrar.forget(server.issuer, client.client_id)
    throw clientIsGone || refusedAs === 'invalid_grant' ? consentRequired(connection) : error
  }
}

function consentRequired(connection: Connection): GatewayError {
  return new GatewayError('consent_required', `${connection.displayName} must be connected again.`)
}
