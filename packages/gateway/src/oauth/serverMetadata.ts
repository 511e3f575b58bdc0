import { buildDiscoveryUrls } from '@modelcontextprotocol/client'
import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { OAuthContext } from './context.ts'
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
  // MCP 2026-07-28, "Authorization Code Protection": a client must refuse to proceed without it.
  if (!server.code_challenge_methods_supported?.includes('S256')) {
    throw new GatewayError(
      'upstream_invalid',
      `The authorization server of ${connection.displayName} does not support PKCE with S256, so nobody is sent there.`,
    )
  }
  return server
}
