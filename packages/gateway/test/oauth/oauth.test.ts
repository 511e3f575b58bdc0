import { describe, expect, it } from 'vitest'
import type { ConnectionAuth, Credential } from '../../src/domain.ts'
import { GatewayError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import type { AuthorizationAttempt } from '../../src/services.ts'
import { startFakeAuthorization } from './support/fakeAuthorization.ts'
import { connectionTo, createParts } from './support/parts.ts'

const CANARY = 'canary-7d41'

async function start(auth: ConnectionAuth = { type: 'oauth2' }) {
  const server = await startFakeAuthorization()
  return { ...createParts(), server, connection: connectionTo(server.mcpServerUrl, auth) }
}

async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof GatewayError)) throw new Error('expected a GatewayError', { cause: error })
  expect(JSON.stringify([error.message, String(error.cause)])).not.toContain(CANARY)
  return error
}

function callback(
  { redirectUri, state, issuer }: AuthorizationAttempt,
  changes: Record<string, string | undefined> = {},
): URL {
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries({ code: 'code-1', state, iss: issuer, ...changes })) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return url
}

const grant = (issuer: string, changes: object = {}): Credential & { type: 'oauth2' } => ({
  type: 'oauth2',
  accessToken: 'at-0',
  refreshToken: 'rt-0',
  expiresAt: 0,
  scope: 'mail.read',
  issuer,
  clientId: 'dynamic-client',
  resource: `${issuer}/mcp`,
  ...changes,
})

describe('createOAuth', () => {
  describe('begin', () => {
    it('sends the browser to the provider with PKCE, resource, state and scope', async () => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      const url = new URL(attempt.authorizationUrl)
      expect(url.origin + url.pathname).toBe(`${server.origin}/authorize`)
      expect(Object.fromEntries(url.searchParams)).toEqual({
        response_type: 'code',
        client_id: 'dynamic-client',
        redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/oauth\/callback\/[\w-]{22}$/),
        state: attempt.state,
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge_method: 'S256',
        resource: server.mcpServerUrl,
        scope: 'mail.read',
      })
      expect(attempt.codeVerifier).toMatch(/^[\w-]{43,128}$/)
      expect(attempt.authorizationUrl).not.toContain(attempt.codeVerifier)
    })

    it('asks for the configured scopes before those of the challenge, and for offline access where it is offered', async () => {
      const { oauth, connection, server } = await start({ type: 'oauth2', scopes: ['mail.send'] })
      server.answer('/.well-known/oauth-authorization-server', () =>
        Response.json(server.serverMetadata({ scopes_supported: ['openid', 'offline_access'] })),
      )
      const { searchParams } = new URL((await oauth.begin(connection)).authorizationUrl)
      expect(searchParams.get('scope')).toBe('mail.send offline_access')
      expect(searchParams.get('prompt')).toBe('consent')
    })

    it('asks for what the metadata names when the challenge names nothing', async () => {
      const { oauth, connection, server } = await start()
      server.answer('/mcp', () => new Response(null, { status: 401 }))
      expect(new URL((await oauth.begin(connection)).authorizationUrl).searchParams.get('scope')).toBe('mail.all')
    })

    it('reads the metadata where the challenge says', async () => {
      const { oauth, connection, server } = await start()
      const challenge = `Bearer resource_metadata="${server.origin}/elsewhere"`
      server.answer('/mcp', () => new Response(null, { status: 401, headers: { 'www-authenticate': challenge } }))
      server.answer('/elsewhere', () => Response.json(server.resourceMetadata()))
      await oauth.begin(connection)
      expect(server.to('/.well-known/oauth-protected-resource/mcp')).toHaveLength(0)
    })

    it('falls back to the metadata at the root', async () => {
      const { oauth, connection, server } = await start()
      server.answer('/.well-known/oauth-protected-resource/mcp', () => new Response(null, { status: 404 }))
      server.answer('/.well-known/oauth-protected-resource', () =>
        Response.json(server.resourceMetadata({ resource: server.origin })),
      )
      const attempt = await oauth.begin(connection)
      expect(attempt.resource).toBe(server.origin)
    })

    it.each([
      ['another path', (origin: string) => `${origin}/other`],
      ['the whole host', (origin: string) => origin],
      ['another host', () => 'https://mail.example/mcp'],
      ['no URL', () => 'mail'],
    ])('refuses metadata that speak for %s', async (_case, resource) => {
      const { oauth, connection, server } = await start()
      server.answer('/.well-known/oauth-protected-resource/mcp', () =>
        Response.json(server.resourceMetadata({ resource: resource(server.origin) })),
      )
      expect((await failureOf(oauth.begin(connection))).code).toBe('upstream_invalid')
    })

    it('tries the places of the server metadata in the order of the specification', async () => {
      const { oauth, connection, server } = await start()
      const issuer = `${server.origin}/tenant`
      server.answer('/.well-known/oauth-protected-resource/mcp', () =>
        Response.json(server.resourceMetadata({ authorization_servers: [issuer] })),
      )
      server.answer('/tenant/.well-known/openid-configuration', () => Response.json(server.serverMetadata({ issuer })))
      expect((await oauth.begin(connection)).issuer).toBe(issuer)
      expect(server.requests.map(({ path }) => path).filter((path) => path.includes('tenant'))).toEqual([
        '/.well-known/oauth-authorization-server/tenant',
        '/.well-known/openid-configuration/tenant',
        '/tenant/.well-known/openid-configuration',
      ])
    })

    it.each([
      ['has no PKCE', { code_challenge_methods_supported: undefined }],
      ['has only plain PKCE', { code_challenge_methods_supported: ['plain'] }],
      ['names another issuer', { issuer: 'https://honest.example' }],
      ['has no token endpoint', { token_endpoint: undefined }],
      ['sends browsers to a script', { authorization_endpoint: `javascript:alert("${CANARY}")` }],
      ['sends browsers over http', { authorization_endpoint: 'http://as.example/authorize' }],
      ['sends browsers to the inside', { authorization_endpoint: 'https://10.0.0.1/authorize' }],
      ['has its token endpoint inside', { token_endpoint: 'https://169.254.169.254/token' }],
      ['takes no registrations', { registration_endpoint: undefined }],
    ])('sends nobody to a server that %s', async (_case, changes) => {
      const { oauth, connection, server } = await start()
      server.answer('/.well-known/oauth-authorization-server', () => Response.json(server.serverMetadata(changes)))
      expect((await failureOf(oauth.begin(connection))).code).toBe('upstream_invalid')
    })

    it.each(['http://10.0.0.1', 'https://169.254.169.254', 'file:///etc/passwd'])(
      'does not ask a server at %s',
      async (issuer) => {
        const { oauth, connection, server } = await start()
        server.answer('/.well-known/oauth-protected-resource/mcp', () =>
          Response.json(server.resourceMetadata({ authorization_servers: [issuer] })),
        )
        expect((await failureOf(oauth.begin(connection))).code).toBe('upstream_invalid')
      },
    )

    it.each([
      ['/.well-known/oauth-protected-resource/mcp', 503, 'upstream_unavailable'],
      ['/.well-known/oauth-authorization-server', 500, 'upstream_unavailable'],
      ['/register', 503, 'upstream_unavailable'],
      ['/register', 400, 'upstream_invalid'],
    ])('says what failed when %s answers %i, and asks again next time', async (path, status, code) => {
      const { oauth, connection, server } = await start()
      const sound = (await startFakeAuthorization()).origin
      let answers = 0
      server.answer(path, async () => {
        answers += 1
        if (answers === 1) return Response.json({ error: CANARY, error_description: CANARY }, { status })
        const body: unknown = await (
          await fetch(sound + path, { method: path === '/register' ? 'POST' : 'GET' })
        ).json()
        return Response.json(JSON.parse(JSON.stringify(body).replaceAll(sound, server.origin)), {
          status: path === '/register' ? 201 : 200,
        })
      })
      expect((await failureOf(oauth.begin(connection))).code).toBe(code)
      await expect(oauth.begin(connection)).resolves.toMatchObject({ issuer: server.origin })
    })

    it.each(['<html>', '[]', 'null', `"${CANARY}"`, '{"resource":1}'])('refuses metadata like %s', async (body) => {
      const { oauth, connection, server } = await start()
      server.answer('/.well-known/oauth-protected-resource/mcp', () => new Response(body))
      expect((await failureOf(oauth.begin(connection))).code).toBe('upstream_invalid')
    })

    it('discovers and registers once for fifty who begin at the same time', async () => {
      const { oauth, connection, server, registrations } = await start()
      server.answer('/register', () =>
        Response.json(
          {
            client_id: 'dynamic-client',
            client_secret: CANARY,
            client_secret_expires_at: 0,
            registration_access_token: CANARY,
          },
          { status: 201 },
        ),
      )
      const attempts = await Promise.all(Array.from({ length: 50 }, () => oauth.begin(connection)))
      expect(new Set(attempts.map(({ state }) => state)).size).toBe(50)
      expect(server.to('/register')).toHaveLength(1)
      expect(server.to('/.well-known/oauth-authorization-server')).toHaveLength(1)
      const [kept] = registrations.kept.values()
      expect(
        Buffer.from(kept?.sealedClientSecret ?? []).toString('latin1') + JSON.stringify(kept?.metadata),
      ).not.toContain(CANARY)
    })

    it('registers anew when the kept secret has expired', async () => {
      const { oauth, connection, server, clock } = await start()
      const expiry = Math.floor(clock() / 1000) + 60
      let count = 0
      server.answer('/register', () =>
        Response.json(
          { client_id: `client-${++count}`, client_secret: 's', client_secret_expires_at: count === 1 ? expiry : 0 },
          { status: 201 },
        ),
      )
      expect((await oauth.begin(connection)).clientId).toBe('client-1')
      clock.advance(61_000)
      expect((await oauth.begin(connection)).clientId).toBe('client-2')
    })

    it('shows a client that was registered in advance to no other server', async () => {
      const { oauth, connection, server, clock } = await start({
        type: 'oauth2',
        clientId: 'in-advance',
        clientSecret: new Secret(CANARY),
      })
      const other = await startFakeAuthorization()
      expect((await oauth.begin(connection)).clientId).toBe('in-advance')
      server.answer('/.well-known/oauth-protected-resource/mcp', () =>
        Response.json(server.resourceMetadata({ authorization_servers: [other.origin] })),
      )
      clock.advance(10 * 60_000)
      expect((await failureOf(oauth.begin(connection))).message).toContain('another authorization server')
      expect(other.to('/token')).toHaveLength(0)
    })
  })

  describe('complete', () => {
    it('redeems the code for the resource with the verifier', async () => {
      const { oauth, connection, server, clock } = await start()
      const attempt = await oauth.begin(connection)
      expect(await oauth.complete(connection, attempt, callback(attempt))).toEqual({
        type: 'oauth2',
        accessToken: 'at-1',
        refreshToken: 'rt-1',
        expiresAt: clock() + 3_600_000,
        scope: 'mail.read',
        issuer: server.origin,
        clientId: 'dynamic-client',
        resource: server.mcpServerUrl,
      })
      const [request] = server.to('/token')
      expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
        grant_type: 'authorization_code',
        code: 'code-1',
        code_verifier: attempt.codeVerifier,
        redirect_uri: attempt.redirectUri,
        resource: server.mcpServerUrl,
        client_id: 'dynamic-client',
      })
    })

    it.each([
      [['client_secret_basic', 'client_secret_post'], true],
      [undefined, true],
      [['client_secret_post'], false],
    ])('authenticates as the server supports it when that is %s', async (methods, basic) => {
      const { oauth, connection, server } = await start({
        type: 'oauth2',
        clientId: 'me',
        clientSecret: new Secret('s'),
      })
      server.answer('/.well-known/oauth-authorization-server', () =>
        Response.json(server.serverMetadata({ token_endpoint_auth_methods_supported: methods })),
      )
      const attempt = await oauth.begin(connection)
      await oauth.complete(connection, attempt, callback(attempt))
      const [request] = server.to('/token')
      expect(request?.authorization).toBe(basic ? `Basic ${btoa('me:s')}` : null)
      expect(new URLSearchParams(request?.body).get('client_secret')).toBe(basic ? null : 's')
    })

    it.each([
      ['the state is another', { state: 'forged' }],
      ['the state is missing', { state: undefined }],
      ['the issuer is another', { iss: 'https://evil.example' }],
      ['the issuer differs by a slash', (issuer: string) => ({ iss: `${issuer}/` })],
      ['the issuer is missing', { iss: undefined }],
      [
        'the issuer is another in an error',
        { iss: 'https://evil.example', error: 'access_denied', error_description: CANARY },
      ],
    ])('sends the code nowhere when %s', async (_case, changes) => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      const changed = typeof changes === 'function' ? changes(attempt.issuer) : changes
      const failure = await failureOf(oauth.complete(connection, attempt, callback(attempt, changed)))
      expect(failure.code).toBe('upstream_invalid')
      expect(server.to('/token')).toHaveLength(0)
    })

    it('says that consent was declined', async () => {
      const { oauth, connection } = await start()
      const attempt = await oauth.begin(connection)
      const declined = callback(attempt, { code: undefined, error: 'access_denied', error_description: CANARY })
      expect(await failureOf(oauth.complete(connection, attempt, declined))).toMatchObject({
        code: 'forbidden',
        message: 'Access to Acme Mail was declined.',
      })
    })

    it.each([
      [400, { error: 'invalid_grant', error_description: CANARY }, 'forbidden'],
      [401, { error: 'invalid_client' }, 'forbidden'],
      [503, { error: CANARY }, 'upstream_unavailable'],
      [429, { error: 'slow_down' }, 'upstream_unavailable'],
      [200, { access_token: CANARY }, 'upstream_invalid'],
      [200, { access_token: CANARY, token_type: 'mac' }, 'upstream_invalid'],
      [200, { access_token: CANARY, token_type: 'DPoP' }, 'upstream_invalid'],
      [200, CANARY, 'upstream_invalid'],
    ])('asks once and reflects nothing when the token endpoint answers %i %j', async (status, body, code) => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      server.answer('/token', () => Response.json(body, { status }))
      expect((await failureOf(oauth.complete(connection, attempt, callback(attempt)))).code).toBe(code)
      expect(server.to('/token')).toHaveLength(1)
    })

    it('registers anew after the server has forgotten the client', async () => {
      const { oauth, connection, server } = await start()
      const attempt = await oauth.begin(connection)
      server.answer('/token', () => Response.json({ error: 'invalid_client' }, { status: 400 }))
      await failureOf(oauth.complete(connection, attempt, callback(attempt)))
      await oauth.begin(connection)
      expect(server.to('/register')).toHaveLength(2)
    })

    it('follows no redirect of the token endpoint', async () => {
      const { oauth, connection, server } = await start()
      const thief = await startFakeAuthorization()
      const attempt = await oauth.begin(connection)
      server.answer('/token', () => new Response(null, { status: 307, headers: { location: `${thief.origin}/token` } }))
      expect((await failureOf(oauth.complete(connection, attempt, callback(attempt)))).code).toBe('upstream_invalid')
      expect(thief.requests).toHaveLength(0)
    })
  })

  describe('refresh', () => {
    it('asks for the same resource and keeps what the answer leaves out', async () => {
      const { oauth, connection, server, clock } = await start()
      await oauth.begin(connection)
      server.answer('/token', () => Response.json({ access_token: 'at-2', token_type: 'bearer', expires_in: 60 }))
      expect(await oauth.refresh(connection, grant(server.origin))).toEqual(
        grant(server.origin, { accessToken: 'at-2', expiresAt: clock() + 60_000 }),
      )
      expect(Object.fromEntries(new URLSearchParams(server.to('/token')[0]?.body))).toEqual({
        grant_type: 'refresh_token',
        refresh_token: 'rt-0',
        resource: server.mcpServerUrl,
        client_id: 'dynamic-client',
      })
    })

    it('takes the rotated refresh token', async () => {
      const { oauth, connection, server } = await start()
      await oauth.begin(connection)
      expect((await oauth.refresh(connection, grant(server.origin))).refreshToken).toBe('rt-1')
    })

    it.each([
      [400, { error: 'invalid_grant', error_description: CANARY }, 'consent_required'],
      [400, { error: 'invalid_client' }, 'consent_required'],
      [401, { error: 'invalid_client' }, 'consent_required'],
      [400, { error: 'unauthorized_client' }, 'consent_required'],
      [400, { error: 'unsupported_grant_type' }, 'consent_required'],
      [400, { error: 'invalid_scope' }, 'consent_required'],
      [200, { error: 'bad_refresh_token', error_description: CANARY }, 'consent_required'],
      [401, CANARY, 'upstream_unavailable'],
      [400, { error: 'invalid_request', error_description: CANARY }, 'upstream_unavailable'],
      [400, { error: 'temporarily_unavailable' }, 'upstream_unavailable'],
      [429, { error: 'invalid_grant' }, 'upstream_unavailable'],
      [500, { error: 'invalid_grant' }, 'upstream_unavailable'],
      [503, CANARY, 'upstream_unavailable'],
      [200, CANARY, 'upstream_unavailable'],
      [302, CANARY, 'upstream_unavailable'],
    ])(
      'tells a grant that is gone from a failure that may pass when the answer is %i %j',
      async (status, body, code) => {
        const { oauth, connection, server } = await start()
        await oauth.begin(connection)
        server.answer('/token', () => Response.json(body, { status }))
        expect((await failureOf(oauth.refresh(connection, grant(server.origin)))).code).toBe(code)
        expect(server.to('/token')).toHaveLength(1)
      },
    )

    it.each([
      ['without a body', null, 1, 'upstream_unavailable'],
      ['and another error', { error: 'invalid_token', error_description: CANARY }, 1, 'upstream_unavailable'],
      ['and invalid_client', { error: 'invalid_client', error_description: CANARY }, 2, 'consent_required'],
    ])(
      'gives its registration up only when the server says so: a 401 with a challenge %s (regression)',
      async (_case, body, registrations, code) => {
        const { oauth, connection, server } = await start()
        await oauth.begin(connection)
        const headers = { 'www-authenticate': 'Bearer realm="proxy", error="invalid_client"' }
        server.answer('/token', () => Response.json(body, { status: 401, headers }))
        expect((await failureOf(oauth.refresh(connection, grant(server.origin)))).code).toBe(code)
        await oauth.begin(connection)
        expect(server.to('/register')).toHaveLength(registrations)
      },
    )

    it.each([
      [200, ['before', 'the request']],
      [502, ['before', 'the request']],
      [504, ['before', 'the request']],
      [503, ['before', 'the request', 'refused']],
      [400, ['before', 'the request', 'refused']],
    ])('T65: tells when the refresh token may be spent when the answer is %i', async (status, expected) => {
      const { oauth, connection, server } = await start()
      await oauth.begin(connection)
      const happened: string[] = []
      server.answer('/token', () => {
        happened.push('the request')
        return Response.json({ access_token: 'at-2', token_type: 'bearer' }, { status })
      })
      const watch = {
        beforeRequest: async () => void happened.push('before'),
        onRefusal: () => void happened.push('refused'),
      }
      await oauth.refresh(connection, grant(server.origin), watch).catch(() => {})
      expect(happened).toEqual(expected)
    })

    it('T65: sends nothing when it could not be noted that it is about to', async () => {
      const { oauth, connection, server } = await start()
      await oauth.begin(connection)
      const watch = { beforeRequest: () => Promise.reject(new Error('the disk is full')), onRefusal: () => {} }
      const failure = await failureOf(oauth.refresh(connection, grant(server.origin), watch))
      expect(failure.code).toBe('upstream_unavailable')
      expect(server.to('/token')).toHaveLength(0)
    })

    it('keeps the grant when the client of the configuration is refused', async () => {
      const { oauth, connection, server } = await start({
        type: 'oauth2',
        clientId: 'me',
        clientSecret: new Secret('s'),
      })
      server.answer('/token', () => Response.json({ error: 'invalid_client' }, { status: 401 }))
      const failure = await failureOf(oauth.refresh(connection, grant(server.origin, { clientId: 'me' })))
      expect(failure.code).toBe('upstream_unavailable')
    })

    it('needs consent when there is no refresh token, or it belongs to another client', async () => {
      const { oauth, connection, server } = await start()
      await oauth.begin(connection)
      for (const changes of [{ refreshToken: undefined }, { clientId: 'another' }]) {
        expect((await failureOf(oauth.refresh(connection, grant(server.origin, changes)))).code).toBe(
          'consent_required',
        )
      }
      expect(server.to('/token')).toHaveLength(0)
    })

    it('sends the refresh token only to the server that gave it when the upstream names another', async () => {
      const { oauth, connection, server, clock } = await start()
      await oauth.begin(connection)
      const other = await startFakeAuthorization()
      server.answer('/.well-known/oauth-protected-resource/mcp', () =>
        Response.json(server.resourceMetadata({ authorization_servers: [other.origin] })),
      )
      clock.advance(10 * 60_000)
      await oauth.refresh(connection, grant(server.origin))
      expect(other.requests).toHaveLength(0)
    })
  })
})
