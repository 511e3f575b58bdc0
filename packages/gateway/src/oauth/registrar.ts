import * as oauth from 'oauth4webapi'
import type { Connection } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Registration, RegistrationKey } from '../store/store.ts'
import type { OAuthContext } from './context.ts'
import { classifyFailure, failureOf } from './protocolError.ts'
import { protocolRequest } from './protocolRequest.ts'

export interface Registrar {
  /** The registration that is kept for this server, made if there is none. */
  register(connection: Connection, server: oauth.AuthorizationServer): Promise<Registration>
  /** The server does not know this client any more: the next attempt registers anew. */
  forget(issuer: string, clientId: string): Promise<void>
}

/** Dynamic client registration (RFC 7591), once per issuer and redirect URI, also when many ask at the same time. */
export function createRegistrar(context: OAuthContext): Registrar {
  const underWay = new Map<string, Promise<Registration>>()
  return {
    register(connection, server) {
      const existing = underWay.get(server.issuer)
      if (existing) return existing
      const promise = findOrRegister(context, connection, server).finally(() => underWay.delete(server.issuer))
      underWay.set(server.issuer, promise)
      return promise
    },
    forget: (issuer, clientId) => context.registrations.remove({ issuer, redirectUri: context.redirectUri }, clientId),
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
): Promise<Registration> {
  const key: RegistrationKey = { issuer: server.issuer, redirectUri: context.redirectUri }
  const kept = await context.registrations.get(key)
  if (kept && !hasExpired(kept, context.clock())) return kept
  if (kept) await context.registrations.remove(key, kept.clientId)
  const answer = await requestRegistration(context, connection, server)
  return context.registrations.put(key, toRegistration(context, key, answer))
}

async function requestRegistration(
  context: OAuthContext,
  connection: Connection,
  server: oauth.AuthorizationServer,
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
    const metadata = clientMetadata(context, server)
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

function clientMetadata(
  { redirectUri, clientName }: OAuthContext,
  server: oauth.AuthorizationServer,
): Partial<oauth.Client> {
  return {
    client_name: clientName,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: authMethodFor(server),
    // Without it an OpenID provider takes us for a web application and refuses a redirect to loopback.
    application_type: redirectUri.startsWith('https:') ? 'web' : 'native',
  }
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
