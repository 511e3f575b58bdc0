import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import type { AuthorizationAttempt } from '../services.ts'
import { clientFor } from './client.ts'
import type { OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import type { Registrar } from './registrar.ts'
import { OFFLINE_ACCESS, selectScope } from './scopes.ts'

/** Everything up to the redirect: where to, as whom, for what, and what to compare the answer with. */
export async function beginAuthorization(
  context: OAuthContext,
  { discovery, registrar }: { discovery: Discovery; registrar: Registrar },
  connection: Connection,
): Promise<AuthorizationAttempt> {
  const discovered = await discovery.discover(connection)
  const { client } = await clientFor(context, registrar, connection, discovered.server)
  const attempt = {
    state: oauth.generateRandomState(),
    codeVerifier: oauth.generateRandomCodeVerifier(),
    issuer: discovered.server.issuer,
    clientId: client.client_id,
    resource: discovered.resource,
    redirectUri: context.redirectUri,
  }
  const scope = selectScope(connection, discovered)
  const codeChallenge = await oauth.calculatePKCECodeChallenge(attempt.codeVerifier)
  const endpoint = context.policy.checkUrl(discovered.server.authorization_endpoint ?? '')
  return { ...attempt, authorizationUrl: authorizationUrl(endpoint, attempt, codeChallenge, scope) }
}

function authorizationUrl(
  endpoint: URL,
  { state, clientId, resource, redirectUri }: Omit<AuthorizationAttempt, 'authorizationUrl'>,
  codeChallenge: string,
  scope: string | undefined,
): string {
  const url = new URL(endpoint)
  const parameters: Record<string, string> = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge: codeChallenge,
    code_challenge_method: 'S256',
    resource,
    ...(scope === undefined ? undefined : { scope }),
    // OpenID Connect Core section 11: offline access is granted only together with this.
    ...(scope?.split(' ').includes(OFFLINE_ACCESS) ? { prompt: 'consent' } : undefined),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}
