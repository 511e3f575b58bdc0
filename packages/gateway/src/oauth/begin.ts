import * as oauth from 'oauth4webapi'
import type { Connection, OAuthConnectionAuth } from '../domain.ts'
import type { AuthorizationAttempt, WantedScope } from '../services.ts'
import { clientToBeginAs } from './client.ts'
import { oauthOf, type OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import type { Registrar } from './registrar.ts'
import { OFFLINE_ACCESS, selectScope } from './scopes.ts'
import { advertisesPkce } from './serverMetadata.ts'

/** Everything up to the redirect: where to, as whom, for what, and what to compare the answer with. */
export async function beginAuthorization(
  context: OAuthContext,
  { discovery, registrar }: { discovery: Discovery; registrar: Registrar },
  connection: Connection,
  wanted?: WantedScope,
): Promise<AuthorizationAttempt> {
  const discovered = await discovery.discover(connection)
  const auth = oauthOf(connection)
  const { client, redirectUri } = await clientToBeginAs(context, registrar, connection, discovered.server)
  const scope = selectScope(connection, discovered, wanted)
  const attempt = {
    state: oauth.generateRandomState(),
    codeVerifier: oauth.generateRandomCodeVerifier(),
    issuer: discovered.server.issuer,
    clientId: client.client_id,
    resource: discovered.resource,
    redirectUri,
    ...(scope !== undefined && { scope }),
    ...(!advertisesPkce(discovered.server) && { exception: 'pkce-not-advertised' as const }),
  }
  const codeChallenge = await oauth.calculatePKCECodeChallenge(attempt.codeVerifier)
  const endpoint = context.policy.checkUrl(discovered.server.authorization_endpoint ?? '')
  return { ...attempt, authorizationUrl: authorizationUrl(endpoint, attempt, codeChallenge, auth) }
}

function authorizationUrl(
  endpoint: URL,
  { state, clientId, resource, redirectUri, scope }: Omit<AuthorizationAttempt, 'authorizationUrl'>,
  codeChallenge: string,
  { scopeSeparator = ' ', authorizationParameters, sendResource = true }: OAuthConnectionAuth,
): string {
  const url = new URL(endpoint)
  const parameters: Record<string, string> = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
    ...(sendResource && { resource }),
    ...(scope !== undefined && { scope: scope.replaceAll(' ', scopeSeparator) }),
    // OpenID Connect Core section 11: offline access is granted only together with this.
    ...(scope?.split(' ').includes(OFFLINE_ACCESS) ? { prompt: 'consent' } : undefined),
    ...authorizationParameters,
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}
