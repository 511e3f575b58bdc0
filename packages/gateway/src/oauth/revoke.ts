import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import type { UpstreamRevocation } from '../services.ts'
import { clientOf } from './client.ts'
import type { OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import { classifyFailure } from './protocolError.ts'
import { protocolRequest } from './protocolRequest.ts'
import type { Registrar } from './registrar.ts'
import type { OAuthCredential } from './tokens.ts'

interface Parts {
  readonly discovery: Discovery
  readonly registrar: Registrar
}

type Hint = 'refresh_token' | 'access_token'

/**
 * Gives a grant back to the server that made it, and to no other (RFC 7009): the refresh token first, because with it
 * goes what it could still make. Never throws: there is nothing that the caller could do about it.
 */
export async function revokeGrant(
  context: OAuthContext,
  { discovery, registrar }: Parts,
  connection: Connection,
  credential: OAuthCredential,
): Promise<UpstreamRevocation> {
  try {
    const server = await discovery.server(connection, credential.issuer)
    if (server.revocation_endpoint === undefined) return 'not_offered'
    context.policy.checkUrl(server.revocation_endpoint)
    const found = await clientOf(context, registrar, connection, server, credential.clientId)
    if (found === undefined) return 'failed'
    const { client, authentication } = found
    const revoke = (token: string, hint: Hint) => revokeToken(context, server, client, authentication, token, hint)
    const ofGrant = credential.refreshToken && (await revoke(credential.refreshToken, 'refresh_token'))
    const ofAccess = await revoke(credential.accessToken, 'access_token')
    return outcomeOf(ofGrant, ofAccess)
  } catch {
    return 'failed'
  }
}

async function revokeToken(
  context: OAuthContext,
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  authentication: oauth.ClientAuth,
  token: string,
  hint: Hint,
): Promise<'revoked' | 'unsupported'> {
  try {
    const options = { ...protocolRequest(context), additionalParameters: { token_type_hint: hint } }
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, token, options))
    return 'revoked'
  } catch (error) {
    const failure = await classifyFailure(error)
    // RFC 7009 section 2.2.1: a server need not be able to revoke access tokens.
    if (failure.kind === 'refused' && failure.error === 'unsupported_token_type') return 'unsupported'
    throw error
  }
}

function outcomeOf(
  ofGrant: '' | 'revoked' | 'unsupported' | undefined,
  ofAccess: 'revoked' | 'unsupported',
): UpstreamRevocation {
  return ofGrant === 'revoked' || ofAccess === 'revoked' ? 'revoked' : 'not_offered'
}
