import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { AuthorizationAttempt } from '../services.ts'
import { clientOf, type OAuthClient } from './client.ts'
import type { OAuthContext } from './context.ts'
import type { Discovery } from './discovery.ts'
import { classifyFailure, failureOf } from './protocolError.ts'
import { protocolRequest } from './protocolRequest.ts'
import type { Registrar } from './registrar.ts'
import { type OAuthCredential, resourceParameter, toCredential, tokenAnswer } from './tokens.ts'

/** Validates what the provider sent the browser back with, and redeems the code: one token request, whatever comes. */
export async function completeAuthorization(
  context: OAuthContext,
  { discovery, registrar }: { discovery: Discovery; registrar: Registrar },
  connection: Connection,
  attempt: AuthorizationAttempt,
  callbackUrl: URL,
): Promise<OAuthCredential> {
  const server = await discovery.server(connection, attempt.issuer)
  const client = await clientOf(context, registrar, connection, server, attempt.clientId)
  if (client === undefined) throw startAgain(connection)
  const parameters = validateCallback(connection, server, client, attempt, callbackUrl)
  const tokens = await redeem(context, connection, { server, client, attempt, parameters }, registrar)
  return toCredential(connection, tokens, attempt, context.clock())
}

/** State and issuer are compared before anything else is looked at, errors included (RFC 9207 section 2.4). */
function validateCallback(
  connection: Connection,
  server: oauth.AuthorizationServer,
  { client }: OAuthClient,
  attempt: AuthorizationAttempt,
  callbackUrl: URL,
): URLSearchParams {
  // Where it came to says which server it comes from: nothing of another one's answer is looked at (security T30).
  const isElsewhere = callbackUrl.origin + callbackUrl.pathname !== attempt.redirectUri
  // The protocol library takes an empty `iss` for none.
  if (isElsewhere || callbackUrl.searchParams.get('iss') === '') {
    throw failureOf(connection, { kind: 'invalid' }, 'at the end of the sign-in')
  }
  try {
    return oauth.validateAuthResponse(server, client, callbackUrl, attempt.state)
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError)) {
      throw failureOf(connection, { kind: 'invalid' }, 'at the end of the sign-in')
    }
    throw error.error === 'access_denied'
      ? new GatewayError('forbidden', `Access to ${connection.displayName} was declined.`)
      : new GatewayError('forbidden', `${connection.displayName} did not complete the sign-in.`)
  }
}

async function redeem(
  context: OAuthContext,
  connection: Connection,
  {
    server,
    client: { client, authentication, dynamic },
    attempt,
    parameters,
  }: {
    server: oauth.AuthorizationServer
    client: OAuthClient
    attempt: AuthorizationAttempt
    parameters: URLSearchParams
  },
  registrar: Registrar,
): Promise<oauth.TokenEndpointResponse> {
  try {
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      parameters,
      attempt.redirectUri,
      attempt.codeVerifier,
      { ...protocolRequest(context), additionalParameters: resourceParameter(connection, attempt.resource) },
    )
    return await oauth.processAuthorizationCodeResponse(server, client, response, tokenAnswer(connection))
  } catch (error) {
    const failure = await classifyFailure(error)
    if (failure.kind !== 'refused') throw failureOf(connection, failure, 'at the end of the sign-in')
    if (failure.error === 'invalid_client' && dynamic) await registrar.forget(server.issuer, client.client_id)
    throw startAgain(connection)
  }
}

function startAgain(connection: Connection): GatewayError {
  return new GatewayError('forbidden', `${connection.displayName} did not accept the sign-in. Start again.`)
}
