import * as oauth from 'oauth4webapi'
import type { Connection, Credential } from '../domain.ts'
import { oauthOf } from './context.ts'
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
  const isBearer = ['bearer', ...(oauthOf(connection).bearerTokenTypes ?? [])].includes(tokens.token_type)
  if (!isBearer) throw failureOf(connection, { kind: 'invalid' }, 'when asked for a token')
  return {
    type: 'oauth2',
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? grant.refreshToken,
    expiresAt: tokens.expires_in === undefined ? undefined : now + tokens.expires_in * 1000,
    scope: grantedScope(connection, tokens.scope) ?? grant.scope,
    issuer: grant.issuer,
    clientId: grant.clientId,
    resource: grant.resource,
    ...(subject !== undefined && { subject }),
  }
}

/** What was granted, divided by spaces however the provider divides it. */
function grantedScope(connection: Connection, scope: string | undefined): string | undefined {
  const { scopeSeparator = ' ' } = oauthOf(connection)
  return scope?.split(scopeSeparator).join(' ')
}

/** `resource` (RFC 8707), for every request that asks for tokens; not for a provider that refuses it. */
export function resourceParameter(connection: Connection, resource: string): Record<string, string> {
  return oauthOf(connection).sendResource === false ? {} : { resource }
}

/** How to read the answer of a provider that has words of its own for a bearer token. */
export function tokenAnswer(connection: Connection): { recognizedTokenTypes?: oauth.RecognizedTokenTypes } {
  const types = oauthOf(connection).bearerTokenTypes
  if (types === undefined) return {}
  return { recognizedTokenTypes: Object.fromEntries(types.map((type) => [type, () => undefined])) }
}
