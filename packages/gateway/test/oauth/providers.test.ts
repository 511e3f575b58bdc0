import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import type { Credential, OAuthConnectionAuth } from '../../src/domain.ts'
import { GatewayError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import type { AuthorizationAttempt } from '../../src/services.ts'
import { startFakeAuthorization } from './support/fakeAuthorization.ts'
import { connectionTo, createParts } from './support/parts.ts'

type Server = Awaited<ReturnType<typeof startFakeAuthorization>>
type Options = Omit<OAuthConnectionAuth, 'type'>

const SERVER_METADATA = '/.well-known/oauth-authorization-server'
const RESOURCE_METADATA = '/.well-known/oauth-protected-resource/mcp'

async function start(options: Options | ((server: Server) => Options) = {}, publicUrl?: string) {
  const server = await startFakeAuthorization()
  const auth = { type: 'oauth2', ...(typeof options === 'function' ? options(server) : options) } as const
  const say = (changes: object) => server.answer(SERVER_METADATA, () => Response.json(server.serverMetadata(changes)))
  return { ...createParts(publicUrl), server, say, connection: connectionTo(server.mcpServerUrl, auth) }
}

/** A provider that publishes nothing. */
function described({ origin }: Server, changes: Options = {}): Options {
  return {
    clientId: 'me',
    clientSecret: new Secret('s'),
    authorizationEndpoint: `${origin}/login/authorize`,
    tokenEndpoint: `${origin}/token`,
    revocationEndpoint: `${origin}/revoke`,
    allowMissingPkceMetadata: true,
    ...changes,
  }
}

function callback(attempt: AuthorizationAttempt, changes: Record<string, string | undefined> = {}): URL {
  const url = new URL(attempt.redirectUri)
  const parameters = { code: 'code-1', state: attempt.state, iss: attempt.issuer, ...changes }
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return url
}

const formOf = (request: { body: string } | undefined) => Object.fromEntries(new URLSearchParams(request?.body))
const queryOf = ({ authorizationUrl }: AuthorizationAttempt) =>
  Object.fromEntries(new URL(authorizationUrl).searchParams)

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'none',
    (error: unknown) => (error instanceof GatewayError ? error.code : String(error)),
  )
}

describe('createOAuth: providers', () => {
  describe('with explicit endpoints', () => {
    it('asks nobody where to authorize, and sends PKCE all the same', async () => {
      const { oauth, connection, server } = await start((found) => described(found, { scopes: ['a', 'b'] }))
      const attempt = await oauth.begin(connection)
      expect(server.requests).toHaveLength(0)
      expect(attempt.authorizationUrl).toContain(`${server.origin}/login/authorize?`)
      expect(queryOf(attempt)).toMatchObject({ client_id: 'me', code_challenge_method: 'S256', scope: 'a b' })
      expect(attempt.exception).toBe('pkce-not-advertised')
      const credential = await oauth.complete(connection, attempt, callback(attempt, { iss: undefined }))
      expect(credential).toMatchObject({ issuer: server.origin, resource: server.mcpServerUrl, scope: 'a b' })
      expect(formOf(server.to('/token')[0])).toMatchObject({ code_verifier: attempt.codeVerifier })
      await oauth.refresh(connection, credential)
      server.answer('/revoke', () => new Response(null, { status: 200 }))
      expect(await oauth.revoke(connection, credential)).toBe('revoked')
      expect(server.to(SERVER_METADATA)).toHaveLength(0)
    })

    it('keeps what one connection says of a server from every other connection', async () => {
      const { oauth, connection, server } = await start()
      const plain = await oauth.begin(connection)
      const thief = await startFakeAuthorization()
      const auth = { type: 'oauth2', ...described(thief, { issuer: server.origin }) } as const
      const other = { ...connectionTo(thief.mcpServerUrl, auth), id: 'conn_other', name: 'other' }
      expect((await oauth.begin(other)).authorizationUrl).toContain(thief.origin)
      expect((await oauth.begin(connection)).authorizationUrl).toContain(new URL(plain.authorizationUrl).origin)
    })

    it('T31: sends nobody to an authorization endpoint that is not https', async () => {
      const { oauth, connection } = await start((found) =>
        described(found, { authorizationEndpoint: 'http://10.0.0.1/authorize' }),
      )
      expect(await codeOf(oauth.begin(connection))).toBe('upstream_invalid')
    })
  })

  describe('PKCE', () => {
    it('T27: refuses a server that does not say that it knows PKCE unless the configuration allows it', async () => {
      const { oauth, connection, say } = await start()
      say({ code_challenge_methods_supported: undefined })
      expect(await codeOf(oauth.begin(connection))).toBe('upstream_invalid')
      const allowed = connectionTo(connection.mcpServerUrl, { type: 'oauth2', allowMissingPkceMetadata: true })
      const attempt = await oauth.begin(allowed)
      expect(queryOf(attempt)).toMatchObject({ code_challenge_method: 'S256' })
      expect(attempt.exception).toBe('pkce-not-advertised')
      expect(await codeOf(oauth.begin(connection))).toBe('upstream_invalid')
    })

    it('T27: refuses a server that says that it knows only plain PKCE, whatever the configuration allows', async () => {
      const { oauth, connection, say } = await start({ allowMissingPkceMetadata: true })
      say({ code_challenge_methods_supported: ['plain'] })
      expect(await codeOf(oauth.begin(connection))).toBe('upstream_invalid')
    })

    it('names no exception when the server says that it knows PKCE', async () => {
      const { oauth, connection } = await start({ allowMissingPkceMetadata: true })
      expect((await oauth.begin(connection)).exception).toBeUndefined()
    })
  })

  describe('resource', () => {
    it('T28: is sent when asking for consent, for the code and for a refresh', async () => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      await oauth.refresh(connection, await oauth.complete(connection, attempt, callback(attempt)))
      const sent = [queryOf(attempt), ...server.to('/token').map(formOf)].map((one) => one['resource'])
      expect(sent).toEqual([server.mcpServerUrl, server.mcpServerUrl, server.mcpServerUrl])
    })

    it('T28: is sent nowhere when the configuration says that the provider refuses it', async () => {
      const { oauth, connection, server } = await start({ sendResource: false })
      const attempt = await oauth.begin(connection)
      const credential = await oauth.complete(connection, attempt, callback(attempt))
      await oauth.refresh(connection, credential)
      expect([queryOf(attempt), ...server.to('/token').map(formOf)].filter((one) => 'resource' in one)).toEqual([])
      expect(credential.resource).toBe(server.mcpServerUrl)
    })
  })

  describe('quirks', () => {
    it('adds the parameters of the configuration to the authorization URL', async () => {
      const authorizationParameters = { access_type: 'offline', prompt: 'select_account consent' }
      const { oauth, connection } = await start({ authorizationParameters })
      expect(queryOf(await oauth.begin(connection))).toMatchObject(authorizationParameters)
    })

    it('divides scopes as the provider does, and keeps them divided by spaces', async () => {
      const { oauth, connection, server } = await start({ scopes: ['chat:write', 'users:read'], scopeSeparator: ',' })
      server.answer('/token', () => Response.json({ access_token: 'a', token_type: 'bearer', scope: 'chat:write,x' }))
      const attempt = await oauth.begin(connection)
      expect(queryOf(attempt)).toMatchObject({ scope: 'chat:write,users:read' })
      expect((await oauth.complete(connection, attempt, callback(attempt))).scope).toBe('chat:write x')
    })

    it('takes a token type of the provider for bearer, and no other', async () => {
      const { oauth, connection, server } = await start({ bearerTokenTypes: ['user'] })
      for (const [type, code] of Object.entries({ user: 'none', User: 'none', bot: 'upstream_invalid' })) {
        server.answer('/token', () => Response.json({ access_token: 'a', token_type: type }))
        const attempt = await oauth.begin(connection)
        expect(await codeOf(oauth.complete(connection, attempt, callback(attempt)))).toBe(code)
      }
    })

    it('sees a refusal that comes with status 200', async () => {
      const { oauth, connection, server } = await start()
      server.answer('/token', () => Response.json({ ok: false, error: 'bad_verification_code' }))
      const attempt = await oauth.begin(connection)
      expect(await codeOf(oauth.complete(connection, attempt, callback(attempt)))).toBe('forbidden')
    })

    it('T33: keeps what was asked for when the answer does not say what was granted', async () => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      expect((await oauth.complete(connection, attempt, callback(attempt))).scope).toBe('mail.read')
      const answer = { access_token: 'a', token_type: 'bearer', scope: 'mail.read mail.extra' }
      server.answer('/token', () => Response.json(answer))
      const again = await oauth.begin(connection)
      expect((await oauth.complete(connection, again, callback(again))).scope).toBe('mail.read mail.extra')
    })

    it('keeps a grant without a refresh token, which then ends with its access token', async () => {
      const { oauth, connection, server } = await start()
      server.answer('/token', () => Response.json({ access_token: 'a', token_type: 'bearer', expires_in: 60 }))
      const attempt = await oauth.begin(connection)
      const credential = await oauth.complete(connection, attempt, callback(attempt))
      expect(credential.refreshToken).toBeUndefined()
      expect(await codeOf(oauth.refresh(connection, credential))).toBe('consent_required')
    })
  })

  describe('client authentication', () => {
    it.each([
      ['client_secret_basic', ['client_secret_post'], `Basic ${btoa('me:s')}`, undefined],
      ['client_secret_post', ['client_secret_basic'], null, 's'],
      ['none', ['client_secret_basic'], null, undefined],
    ] as const)(
      'uses %s when the configuration says so, whatever the metadata prefer',
      async (method, supported, header, body) => {
        const clientSecret = method === 'none' ? undefined : new Secret('s')
        const { oauth, connection, server, say } = await start({
          clientId: 'me',
          clientSecret,
          tokenEndpointAuthMethod: method,
        })
        say({ token_endpoint_auth_methods_supported: supported })
        const attempt = await oauth.begin(connection)
        await oauth.complete(connection, attempt, callback(attempt))
        const [request] = server.to('/token')
        expect(request?.authorization).toBe(header)
        expect(formOf(request)['client_secret']).toBe(body)
      },
    )

    const keys = {
      RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
      'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      Ed25519: generateKeyPairSync('ed25519'),
    }
    it.each(
      Object.entries(keys).flatMap(([name, pair]) => [
        [name, 'JWK', pair, JSON.stringify({ ...pair.privateKey.export({ format: 'jwk' }), kid: 'k-1' })] as const,
        [name, 'PEM', pair, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()] as const,
      ]),
    )('signs for the issuer with a private key: %s as %s', async (_name, format, pair, text) => {
      const { oauth, connection, server } = await start({
        clientId: 'me',
        privateKey: new Secret(text),
        ...(format === 'PEM' && { keyId: 'k-1' }),
      })
      const attempt = await oauth.begin(connection)
      const credential = await oauth.complete(connection, attempt, callback(attempt))
      await oauth.refresh(connection, credential)
      const jwks = createLocalJWKSet({ keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k-1' }] })
      const assertions = new Set<unknown>()
      for (const request of server.to('/token')) {
        const form = formOf(request)
        expect(form['client_assertion_type']).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
        expect(request.authorization).toBeNull()
        const expected = { issuer: 'me', subject: 'me', audience: server.origin }
        const { payload, protectedHeader } = await jwtVerify(form['client_assertion'] ?? '', jwks, expected)
        expect(protectedHeader.kid).toBe('k-1')
        assertions.add(payload.jti)
      }
      expect(assertions.size).toBe(2)
    })
  })

  describe('client ID metadata document', () => {
    const takesDocument = { client_id_metadata_document_supported: true }

    it('is who we are to a server that takes it, and leads to its own redirect URI', async () => {
      const { oauth, connection, server, say } = await start()
      say(takesDocument)
      const attempt = await oauth.begin(connection)
      expect(attempt.clientId).toMatch(/^http:\/\/127\.0\.0\.1:9\/oauth\/client-metadata\/[\w-]{22}\.json$/)
      expect(oauth.clientMetadata(attempt.clientId.split('/').at(-1) ?? '')).toMatchObject({
        client_id: attempt.clientId,
        client_name: 'Latchkey',
        redirect_uris: [attempt.redirectUri],
        token_endpoint_auth_method: 'none',
      })
      const credential = await oauth.complete(connection, attempt, callback(attempt))
      await oauth.refresh(connection, credential)
      expect(server.to('/register')).toHaveLength(0)
      expect(server.to('/token').map((request) => formOf(request)['client_id'])).toEqual([
        attempt.clientId,
        attempt.clientId,
      ])
    })

    it.each([
      ['a client is registered in advance', { clientId: 'me' }, takesDocument, 'me'],
      ['the server does not take it', {}, {}, 'dynamic-client'],
      ['the configuration wants to register', { registration: 'dynamic' as const }, takesDocument, 'dynamic-client'],
    ])('is not used when %s', async (_case, options, metadata, clientId) => {
      const { oauth, connection, say } = await start(options)
      say(metadata)
      expect((await oauth.begin(connection)).clientId).toBe(clientId)
    })

    it('leaves a grant that was made with a registration alone when the server takes documents since', async () => {
      const { oauth, connection, server, clock, say } = await start()
      const attempt = await oauth.begin(connection)
      const credential = await oauth.complete(connection, attempt, callback(attempt))
      say(takesDocument)
      clock.advance(10 * 60_000)
      expect((await oauth.begin(connection)).clientId).not.toBe('dynamic-client')
      await oauth.refresh(connection, credential)
      expect(formOf(server.to('/token')[1])['client_id']).toBe('dynamic-client')
    })

    it('is there for names of its own form only', async () => {
      const { oauth } = createParts('https://latchkey.example')
      for (const name of ['x.json', '../x', 'a'.repeat(22), `${'a'.repeat(23)}.json`]) {
        expect(oauth.clientMetadata(name)).toBeUndefined()
      }
      expect(oauth.clientMetadata(`${'a'.repeat(22)}.json`)).toMatchObject({
        client_id: `https://latchkey.example/oauth/client-metadata/${'a'.repeat(22)}.json`,
        redirect_uris: [`https://latchkey.example/oauth/callback/${'a'.repeat(22)}`],
        application_type: 'web',
      })
    })
  })

  describe('the answer of the authorization server', () => {
    it.each([
      ['advertised and right', true, (issuer: string) => issuer, 'none'],
      ['advertised and missing', true, () => undefined, 'upstream_invalid'],
      ['advertised and wrong', true, () => 'https://evil.example', 'upstream_invalid'],
      ['not advertised and right', undefined, (issuer: string) => issuer, 'none'],
      ['not advertised and missing', undefined, () => undefined, 'none'],
      ['not advertised and wrong', undefined, () => 'https://evil.example', 'upstream_invalid'],
      ['the same but for a slash', undefined, (issuer: string) => `${issuer}/`, 'upstream_invalid'],
      ['the same but for case', undefined, (issuer: string) => issuer.replace('http', 'HTTP'), 'upstream_invalid'],
      ['empty', undefined, () => '', 'upstream_invalid'],
    ])('T26: the code goes out only where `iss` allows it: %s', async (_case, advertised, iss, code) => {
      const { oauth, connection, server, say } = await start()
      say({ authorization_response_iss_parameter_supported: advertised })
      const attempt = await oauth.begin(connection)
      expect(await codeOf(oauth.complete(connection, attempt, callback(attempt, { iss: iss(attempt.issuer) })))).toBe(
        code,
      )
      expect(server.to('/token')).toHaveLength(code === 'none' ? 1 : 0)
    })

    it('T26: refuses metadata that name another issuer than the one that was asked', async () => {
      const { oauth, connection, say, server } = await start()
      say({ issuer: 'https://honest.example' })
      expect(await codeOf(oauth.begin(connection))).toBe('upstream_invalid')
      expect(server.to('/register')).toHaveLength(0)
    })

    it('T30: takes no code that came to the redirect URI of another authorization server', async () => {
      const { oauth, connection, server, say } = await start()
      // The attacker names no `iss`, and sends the browser on to an honest server that names none either.
      say({ authorization_response_iss_parameter_supported: undefined })
      const honest = await startFakeAuthorization()
      const attempt = await oauth.begin(connection)
      const atHonest = await oauth.begin({ ...connectionTo(honest.mcpServerUrl), id: 'conn_honest' })
      expect(atHonest.redirectUri).not.toBe(attempt.redirectUri)
      const stolen = callback({ ...attempt, redirectUri: atHonest.redirectUri }, { iss: undefined })
      expect(await codeOf(oauth.complete(connection, attempt, stolen))).toBe('upstream_invalid')
      const plain = callback({ ...attempt, redirectUri: 'http://127.0.0.1:9/oauth/callback' }, { iss: undefined })
      expect(await codeOf(oauth.complete(connection, attempt, plain))).toBe('upstream_invalid')
      expect(server.to('/token')).toHaveLength(0)
      expect(await codeOf(oauth.complete(connection, attempt, callback(attempt, { iss: undefined })))).toBe('none')
    })

    it('T30: goes on with a client that was registered for the redirect URI that all servers shared', async () => {
      const { oauth, connection, server, registrations } = await start()
      const redirectUri = 'http://127.0.0.1:9/oauth/callback'
      await registrations.put({ issuer: server.origin, redirectUri }, { clientId: 'older', metadata: {} })
      const attempt = await oauth.begin(connection)
      expect(attempt).toMatchObject({ clientId: 'older', redirectUri })
      await oauth.refresh(connection, await oauth.complete(connection, attempt, callback(attempt)))
      expect(server.to('/register')).toHaveLength(0)
    })
  })

  describe('another authorization server', () => {
    it('T29: is believed only where the configuration names none, or names it', async () => {
      const { oauth, connection, server } = await start((found) => ({ issuer: found.origin }))
      const other = await startFakeAuthorization()
      const name = (issuers: string[]) =>
        server.answer(RESOURCE_METADATA, () =>
          Response.json(server.resourceMetadata({ authorization_servers: issuers })),
        )
      name([other.origin, server.origin])
      expect((await oauth.begin(connection)).issuer).toBe(server.origin)
      const moved = await start({ issuer: 'https://as.example' })
      expect(await codeOf(moved.oauth.begin(moved.connection))).toBe('upstream_invalid')
      expect(other.requests).toHaveLength(0)
    })

    it('T29: gets a registration of its own, and nothing of the old grant', async () => {
      const { oauth, connection, server, clock } = await start()
      const first = await oauth.begin(connection)
      const credential = await oauth.complete(connection, first, callback(first))
      const other = await startFakeAuthorization({
        '/register': () => Response.json({ client_id: 'other-client' }, { status: 201 }),
      })
      server.answer(RESOURCE_METADATA, () =>
        Response.json(server.resourceMetadata({ authorization_servers: [other.origin] })),
      )
      clock.advance(10 * 60_000)
      const second = await oauth.begin(connection)
      expect(second).toMatchObject({ issuer: other.origin, clientId: 'other-client' })
      await oauth.refresh(connection, credential)
      await oauth.complete(connection, second, callback(second))
      const seenThere = JSON.stringify(other.requests)
      expect(seenThere).not.toContain(credential.refreshToken)
      expect(seenThere).not.toContain('dynamic-client')
      const foreign: Credential & { type: 'oauth2' } = { ...credential, issuer: other.origin }
      expect(await codeOf(oauth.refresh(connection, foreign))).toBe('consent_required')
    })
  })
})
