import * as oauth from 'oauth4webapi'
import type { Connection, Credential } from '../domain.ts'
import { failureOf } from './protocolError.ts'

export type OAuthCredential = Credential & { type: 'oauth2' }

/** A token answer as the credential that is kept. What an answer leaves out stays as it was. */
export function toCredential(
  connection: Connection,
  tokens: oauth.TokenEndpointResponse,
  grant: Pick<OAuthCredential, 'issuer' | 'clientId' | 'resource'> & Partial<OAuthCredential>,
  now: number,
): OAuthCredential {
  const subject = oauth.getValidatedIdTokenClaims(tokens)?.sub ?? grant.subject
  if (tokens.token_type !== 'bearer') throw failureOf(connection, { kind: 'invalid' }, 'when asked for a token')
  return {
    type: 'oauth2',
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? grant.refreshToken,
    expiresAt: tokens.expires_in === undefined ? undefined : now + tokens.expires_in * 1000,
    scope: tokens.scope ?? grant.scope,
    issuer: grant.issuer,
    clientId: grant.clientId,
    resource: grant.resource,
    ...(subject !== undefined && { subject }),
  }
}
