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

/** One refresh request to the server that made the grant. Whoever calls sees to it that there is one at a time. */
export async function refreshGrant(
  context: OAuthContext,
  { discovery, registrar }: { discovery: Discovery; registrar: Registrar },
  connection: Connection,
  credential: OAuthCredential,
): Promise<OAuthCredential> {
  const { refreshToken, resource } = credential
  if (refreshToken === undefined) throw consentRequired(connection)
  try {
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
      if (failure.kind !== 'refused') throw error
      // A client that we registered ourselves and that is gone has taken its grants with it.
      if (failure.error === 'invalid_client' && dynamic) {
        await registrar.forget(server.issuer, client.client_id)
        throw consentRequired(connection)
      }
      throw failure.error === 'invalid_grant' ? consentRequired(connection) : error
    }
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'consent_required') throw error
    throw new GatewayError(
      'upstream_unavailable',
      `${connection.displayName} did not renew its access. Try again later.`,
    )
  }
}

function consentRequired(connection: Connection): GatewayError {
  return new GatewayError('consent_required', `${connection.displayName} must be connected again.`)
}
