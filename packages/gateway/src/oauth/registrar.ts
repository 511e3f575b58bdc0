import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Registration, RegistrationKey } from '../store/store.ts'
import { clientMetadata } from './clientMetadata.ts'
import type { OAuthContext } from './context.ts'
import { classifyFailure, failureOf } from './protocolError.ts'
import { protocolRequest } from './protocolRequest.ts'

/** A registration, and under what it is kept: the redirect URI is the one that the server was told. */
export interface FoundRegistration {
  readonly key: RegistrationKey
  readonly registration: Registration
}

export interface Registrar {
  /** The registration that is kept for this server, made if there is none. */
  register(connection: Connection, server: oauth.AuthorizationServer): Promise<FoundRegistration>
  /** The registration that is kept and still good. */
  find(issuer: string): Promise<FoundRegistration | undefined>
  /** The server does not know this client any more: the next attempt registers anew. */
  forget(issuer: string, clientId: string): Promise<void>
}

/** Dynamic client registration (RFC 7591), once per issuer and redirect URI, also when many ask at the same time. */
export function createRegistrar(context: OAuthContext): Registrar {
  const underWay = new Map<string, Promise<FoundRegistration>>()
  return {
    find: (issuer) => findRegistration(context, issuer),
    register(connection, server) {
      const existing = underWay.get(server.issuer)
      if (existing) return existing
      const promise = findOrRegister(context, connection, server).finally(() => underWay.delete(server.issuer))
      underWay.set(server.issuer, promise)
      return promise
    },
    async forget(issuer, clientId) {
      for (const key of keysOf(context, issuer)) await context.registrations.remove(key, clientId)
    },
  }
}

/** What a sealed client secret is bound to. */
export function secretContext({ issuer, redirectUri }: RegistrationKey, clientId: string): readonly string[] {
  return ['oauth_clients', issuer, redirectUri, clientId, 'client_secret']
}

async function findOrRegister(
  context: OAuthContext,
  connection: Connection,
  server: oauth.AuthorizationServer,
): Promise<FoundRegistration> {
  const kept = await findRegistration(context, server.issuer)
  if (kept) return kept
  const key: RegistrationKey = { issuer: server.issuer, redirectUri: context.addresses.redirectUriOf(server.issuer) }
  const expired = await context.registrations.get(key)
  if (expired) await context.registrations.remove(key, expired.clientId)
  const answer = await requestRegistration(context, connection, server, key.redirectUri)
  return { key, registration: await context.registrations.put(key, toRegistration(context, key, answer)) }
}

async function findRegistration(
  { registrations, clock, ...context }: OAuthContext,
  issuer: string,
): Promise<FoundRegistration | undefined> {
  for (const key of keysOf(context, issuer)) {
    const registration = await registrations.get(key)
    if (registration && !hasExpired(registration, clock())) return { key, registration }
  }
  return undefined
}

/** The second is what was registered before each server got a redirect URI of its own; grants belong to it. */
function keysOf({ addresses }: Pick<OAuthContext, 'addresses'>, issuer: string): readonly RegistrationKey[] {
  return [addresses.redirectUriOf(issuer), addresses.redirectUri].map((redirectUri) => ({ issuer, redirectUri }))
}

async function requestRegistration(
  context: OAuthContext,
  connection: Connection,
  server: oauth.AuthorizationServer,
  redirectUri: string,
): Promise<oauth.OmitSymbolProperties<oauth.Client>> {
  if (server.registration_endpoint === undefined) {
    throw new GatewayError(
      'upstream_invalid',
      `The authorization server of ${connection.displayName} takes no registrations. Register a client there and put ` +
        `its "clientId" into the configuration of the connection "${connection.name}".`,
    )
  }
  context.policy.checkUrl(server.registration_endpoint)
  try {
    const metadata = clientMetadata(context, redirectUri, authMethodFor(server))
    const response = await oauth.dynamicClientRegistrationRequest(server, metadata, protocolRequest(context))
    return await oauth.processDynamicClientRegistrationResponse(await withSecretExpiry(response))
  } catch (error) {
    throw failureOf(connection, await classifyFailure(error), 'to our registration as a client')
  }
}

/** Some servers leave out `client_secret_expires_at`, which RFC 7591 requires beside a secret; 0 says "never". */
async function withSecretExpiry(response: Response): Promise<Response> {
  if (response.status !== 200 && response.status !== 201) return response
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null) return response
  return Response.json({ client_secret_expires_at: 0, ...body }, { status: 201 })
}

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'none']

function authMethodFor({ token_endpoint_auth_methods_supported: supported }: oauth.AuthorizationServer): string {
  return AUTH_METHODS.find((method) => supported?.includes(method)) ?? 'client_secret_basic'
}

function toRegistration(
  { vault }: OAuthContext,
  key: RegistrationKey,
  answer: oauth.OmitSymbolProperties<oauth.Client>,
): Registration {
  const { client_id: clientId, client_secret: secret, client_secret_expires_at, token_endpoint_auth_method } = answer
  return {
    clientId,
    sealedClientSecret: typeof secret === 'string' ? vault.seal(secret, secretContext(key, clientId)) : undefined,
    metadata: JSON.parse(JSON.stringify({ client_secret_expires_at, token_endpoint_auth_method })),
  }
}

function hasExpired({ metadata }: Registration, now: number): boolean {
  const expiresAt = metadata['client_secret_expires_at']
  return typeof expiresAt === 'number' && expiresAt > 0 && expiresAt * 1000 <= now
}
