import { buildDiscoveryUrls } from '@modelcontextprotocol/client'
import * as oauth from 'oauth4webapi'
import type { Connection, OAuthConnectionAuth } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { oauthOf, type OAuthContext } from './context.ts'
import { classifyFailure, failureOf, isTransientStatus } from './protocolError.ts'
import { REQUEST_DEADLINE_MS } from './protocolRequest.ts'

const DURING = 'to the question how its authorization server works'

/**
 * The metadata of an authorization server, from the places and in the order of the MCP specification (RFC 8414, then
 * OpenID Connect Discovery), with everything checked that the rest of the flow relies on.
 */
export async function fetchServerMetadata(
  context: OAuthContext,
  connection: Connection,
  issuer: string,
): Promise<oauth.AuthorizationServer> {
  const described = describedServer(connection, issuer)
  if (described !== undefined) return checkServer(context, connection, described)
  const issuerUrl = context.policy.checkUrl(issuer)
  for (const { url } of buildDiscoveryUrls(issuerUrl)) {
    const server = await fetchFrom(context, connection, url, issuerUrl)
    if (server) return checkServer(context, connection, server)
  }
  throw new GatewayError('upstream_invalid', `The authorization server of ${connection.displayName} has no metadata.`)
}

async function fetchFrom(
  { fetch }: OAuthContext,
  connection: Connection,
  url: URL,
  issuer: URL,
): Promise<oauth.AuthorizationServer | undefined> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    if (isTransientStatus(response.status)) throw failureOf(connection, { kind: 'transient' }, DURING)
    return undefined
  }
  try {
    return await oauth.processDiscoveryResponse(issuer, response)
  } catch (error) {
    throw failureOf(connection, await classifyFailure(error), DURING)
  }
}

function checkServer(
  { policy }: OAuthContext,
  connection: Connection,
  server: oauth.AuthorizationServer,
): oauth.AuthorizationServer {
  for (const endpoint of [server.authorization_endpoint, server.token_endpoint]) {
    if (typeof endpoint !== 'string') throw failureOf(connection, { kind: 'invalid' }, DURING)
    policy.checkUrl(endpoint)
  }
  // MCP 2026-07-28, "Authorization Code Protection": a client must refuse to proceed without it. The configuration may say
  // of one provider that it knows PKCE all the same; never of one that says that it does not.
  const isSilent = server.code_challenge_methods_supported === undefined
  const isException = isSilent && oauthOf(connection).allowMissingPkceMetadata === true
  if (!advertisesPkce(server) && !isException) {
    throw new GatewayError(
      'upstream_invalid',
      `The authorization server of ${connection.displayName} does not support PKCE with S256, so nobody is sent there.`,
    )
  }
  return server
}

export function advertisesPkce({ code_challenge_methods_supported: methods }: oauth.AuthorizationServer): boolean {
  return methods?.includes('S256') === true
}

/** The issuer of a provider that publishes no metadata: what the configuration says, else whose pages people see. */
export function describedIssuer({ issuer, authorizationEndpoint }: OAuthConnectionAuth): string | undefined {
  return authorizationEndpoint === undefined ? undefined : (issuer ?? new URL(authorizationEndpoint).origin)
}

/** The server that the configuration describes itself. */
function describedServer(connection: Connection, issuer: string): oauth.AuthorizationServer | undefined {
  const auth = oauthOf(connection)
  const { authorizationEndpoint, tokenEndpoint, revocationEndpoint } = auth
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined) return undefined
  if (describedIssuer(auth) !== issuer) return undefined
  return {
    issuer,
    authorization_endpoint: authorizationEndpoint,
    token_endpoint: tokenEndpoint,
    ...(revocationEndpoint !== undefined && { revocation_endpoint: revocationEndpoint }),
  }
}
