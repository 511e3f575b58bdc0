import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { RegistrationKey } from '../store/store.ts'
import type { OAuthContext } from './context.ts'
import { type Registrar, secretContext } from './registrar.ts'

/** Who we are to one authorization server. */
export interface OAuthClient {
  readonly client: oauth.Client
  readonly authentication: oauth.ClientAuth
  /** Registered by ourselves: then it can be registered anew. */
  readonly dynamic: boolean
}

/**
 * The client of a connection: the one registered in advance, else the one that we register. A client belongs to one
 * issuer and is never shown to another (MCP 2026-07-28, "Authorization Server Binding").
 */
export async function clientFor(
  context: OAuthContext,
  registrar: Registrar,
  connection: Connection,
  server: oauth.AuthorizationServer,
): Promise<OAuthClient> {
  const { auth } = connection
  if (auth.type !== 'oauth2') throw new GatewayError('internal', `${connection.name} does not use OAuth.`)
  if (auth.clientId !== undefined) {
    await pinIssuer(context, connection, auth.clientId, server.issuer)
    return asClient(server, auth.clientId, auth.clientSecret?.reveal(), undefined, false)
  }
  const registration = await registrar.register(connection, server)
  const key: RegistrationKey = { issuer: server.issuer, redirectUri: context.redirectUri }
  const { clientId, sealedClientSecret, metadata } = registration
  const secret = sealedClientSecret && context.vault.open(sealedClientSecret, secretContext(key, clientId))
  return asClient(server, clientId, secret, metadata['token_endpoint_auth_method'], true)
}

/**
 * The configuration does not say which issuer a client was registered with in advance, so the first one that is seen
 * is remembered: an upstream that names another server later does not get the secret sent there.
 */
async function pinIssuer(
  { registrations, redirectUri }: OAuthContext,
  connection: Connection,
  clientId: string,
  issuer: string,
): Promise<void> {
  const key: RegistrationKey = { issuer: `in advance: ${connection.id} ${clientId}`, redirectUri }
  const pinned = (await registrations.get(key)) ?? (await registrations.put(key, { clientId, metadata: { issuer } }))
  if (pinned.metadata['issuer'] === issuer) return
  throw new GatewayError(
    'upstream_invalid',
    `${connection.displayName} names another authorization server than the one that its client is registered with. ` +
      'Register a client there and put its id into the configuration.',
  )
}

function asClient(
  server: oauth.AuthorizationServer,
  clientId: string,
  secret: string | undefined,
  method: unknown,
  dynamic: boolean,
): OAuthClient {
  // A tolerance for clocks that differ, in seconds; it concerns ID tokens, where a server sends one.
  const client: oauth.Client = { client_id: clientId, [oauth.clockTolerance]: 60 }
  if (secret === undefined) return { client, authentication: oauth.None(), dynamic }
  const supported = server.token_endpoint_auth_methods_supported
  const post =
    method === undefined ? supported && !supported.includes('client_secret_basic') : method === 'client_secret_post'
  const authentication = post ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret)
  return { client, authentication, dynamic }
}
