import * as oauth from 'oauth4webapi'
import type { Connection, OAuthConnectionAuth } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Registration, RegistrationKey } from '../store/store.ts'
import { oauthOf, type OAuthContext } from './context.ts'
import { privateKeyJwt } from './privateKeyJwt.ts'
import { type Registrar, secretContext } from './registrar.ts'

/** Who we are to one authorization server. */
export interface OAuthClient {
  readonly client: oauth.Client
  readonly authentication: oauth.ClientAuth
  readonly redirectUri: string
  /** Registered by ourselves: then it can be registered anew. */
  readonly dynamic: boolean
}

/**
 * Who to begin as, in the order of MCP 2026-07-28 ("Client Registration"): the client that is registered in advance, else
 * our metadata document where the server takes one, else a client that we register. A client belongs to one issuer and is
 * never shown to another ("Authorization Server Binding").
 */
export async function clientToBeginAs(
  context: OAuthContext,
  registrar: Registrar,
  connection: Connection,
  server: oauth.AuthorizationServer,
): Promise<OAuthClient> {
  const auth = oauthOf(connection)
  if (auth.clientId !== undefined) return await clientInAdvance(context, connection, server, auth.clientId)
  const documentUrl = context.addresses.documentUrlOf(server.issuer)
  const takesDocument = server.client_id_metadata_document_supported === true && auth.registration !== 'dynamic'
  if (documentUrl !== undefined && takesDocument) return clientByDocument(context, server, documentUrl)
  return registeredClient(context, server, await registrar.register(connection, server))
}

/**
 * The client that an attempt or a grant belongs to, whichever way we would begin by now. Undefined if we do not have it
 * any more: then nothing can be done with what belongs to it, and none is registered only for that.
 */
export async function clientOf(
  context: OAuthContext,
  registrar: Registrar,
  connection: Connection,
  server: oauth.AuthorizationServer,
  clientId: string,
): Promise<OAuthClient | undefined> {
  const auth = oauthOf(connection)
  if (auth.clientId !== undefined) {
    return auth.clientId === clientId ? await clientInAdvance(context, connection, server, clientId) : undefined
  }
  if (clientId === context.addresses.documentUrlOf(server.issuer)) return clientByDocument(context, server, clientId)
  const found = await registrar.find(server.issuer)
  return found?.registration.clientId === clientId ? registeredClient(context, server, found) : undefined
}

async function clientInAdvance(
  context: OAuthContext,
  connection: Connection,
  server: oauth.AuthorizationServer,
  clientId: string,
): Promise<OAuthClient> {
  const auth = oauthOf(connection)
  await checkIssuer(context, connection, clientId, server.issuer)
  const authentication = await authenticationInAdvance(auth, server)
  return { client: asClient(clientId), authentication, redirectUri: context.addresses.redirectUri, dynamic: false }
}

async function authenticationInAdvance(
  auth: OAuthConnectionAuth,
  server: oauth.AuthorizationServer,
): Promise<oauth.ClientAuth> {
  const { privateKey, clientSecret, tokenEndpointAuthMethod: method } = auth
  if (method === 'none') return oauth.None()
  if (privateKey !== undefined) return await privateKeyJwt(privateKey, auth)
  return clientSecret === undefined ? oauth.None() : withSecret(server, clientSecret.reveal(), method)
}

function clientByDocument(
  { addresses }: OAuthContext,
  { issuer }: oauth.AuthorizationServer,
  documentUrl: string,
): OAuthClient {
  const redirectUri = addresses.redirectUriOf(issuer)
  return { client: asClient(documentUrl), authentication: oauth.None(), redirectUri, dynamic: false }
}

function registeredClient(
  { vault }: OAuthContext,
  server: oauth.AuthorizationServer,
  { key, registration }: { key: RegistrationKey; registration: Registration },
): OAuthClient {
  const { clientId, sealedClientSecret, metadata } = registration
  const secret = sealedClientSecret && vault.open(sealedClientSecret, secretContext(key, clientId))
  const authentication =
    secret === undefined ? oauth.None() : withSecret(server, secret, metadata['token_endpoint_auth_method'])
  return { client: asClient(clientId), authentication, redirectUri: key.redirectUri, dynamic: true }
}

/**
 * Where the configuration does not say which issuer a client was registered with in advance, the first one that is seen
 * is remembered: an upstream that names another server later does not get the secret sent there.
 */
async function checkIssuer(
  { registrations, addresses: { redirectUri } }: OAuthContext,
  connection: Connection,
  clientId: string,
  issuer: string,
): Promise<void> {
  const configured = oauthOf(connection).issuer
  const key: RegistrationKey = { issuer: `in advance: ${connection.id} ${clientId}`, redirectUri }
  const pinned =
    configured ??
    ((await registrations.get(key)) ?? (await registrations.put(key, { clientId, metadata: { issuer } }))).metadata[
      'issuer'
    ]
  if (pinned === issuer) return
  throw new GatewayError(
    'upstream_invalid',
    `${connection.displayName} names another authorization server than the one that its client is registered with. ` +
      'Register a client there and put its id into the configuration.',
  )
}

function asClient(clientId: string): oauth.Client {
  // A tolerance for clocks that differ, in seconds; it concerns ID tokens, where a server sends one.
  return { client_id: clientId, [oauth.clockTolerance]: 60 }
}

function withSecret(server: oauth.AuthorizationServer, secret: string, method: unknown): oauth.ClientAuth {
  const supported = server.token_endpoint_auth_methods_supported
  const post =
    method === undefined ? supported && !supported.includes('client_secret_basic') : method === 'client_secret_post'
  return post ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret)
}
