import { describe, expect, it } from 'vitest'
import type { ConnectionAuth, Credential } from '../../src/domain.ts'
import { startFakeAuthorization } from './support/fakeAuthorization.ts'
import { connectionTo, createParts } from './support/parts.ts'

async function start(auth: ConnectionAuth = { type: 'oauth2' }) {
  const server = await startFakeAuthorization()
  const metadata = { ...server.serverMetadata(), revocation_endpoint: `${server.origin}/revoke` }
  server.answer('/.well-known/oauth-authorization-server', () => Response.json(metadata))
  server.answer('/revoke', () => new Response(null, { status: 200 }))
  const parts = createParts()
  const connection = connectionTo(server.mcpServerUrl, auth)
  // Registers the client, as consent has done.
  await parts.oauth.begin(connection)
  const told = () => server.to('/revoke').map(({ body }) => Object.fromEntries(new URLSearchParams(body)))
  return { ...parts, server, connection, told, grant: grantOf(server.origin) }
}

function grantOf(issuer: string, changes: object = {}): Credential & { type: 'oauth2' } {
  const tokens = { type: 'oauth2', accessToken: 'at-1', refreshToken: 'rt-1' } as const
  const ofGrant = { expiresAt: undefined, scope: undefined, issuer, clientId: 'dynamic-client' }
  return { ...tokens, ...ofGrant, resource: `${issuer}/mcp`, ...changes }
}

describe('createOAuth: revoke', () => {
  it('gives the refresh token back first, then the access token (RFC 7009)', async () => {
    const { oauth, connection, grant, told } = await start()
    expect(await oauth.revoke(connection, grant)).toBe('revoked')
    expect(told()).toEqual([
      { token: 'rt-1', token_type_hint: 'refresh_token', client_id: 'dynamic-client' },
      { token: 'at-1', token_type_hint: 'access_token', client_id: 'dynamic-client' },
    ])
  })

  it('gives back what there is when there is no refresh token', async () => {
    const { oauth, connection, grant, told } = await start()
    expect(await oauth.revoke(connection, { ...grant, refreshToken: undefined })).toBe('revoked')
    expect(told().map(({ token }) => token)).toEqual(['at-1'])
  })

  it('is content when the server revokes refresh tokens only', async () => {
    const { oauth, connection, grant, server } = await start()
    server.answer('/revoke', ({ body }) =>
      body.includes('access_token')
        ? Response.json({ error: 'unsupported_token_type' }, { status: 400 })
        : new Response(null, { status: 200 }),
    )
    expect(await oauth.revoke(connection, grant)).toBe('revoked')
    expect(await oauth.revoke(connection, { ...grant, refreshToken: undefined })).toBe('not_offered')
  })

  it('says so when the server offers no revocation', async () => {
    const { oauth, connection, grant, server, clock } = await start()
    server.answer('/.well-known/oauth-authorization-server', () => Response.json(server.serverMetadata()))
    clock.advance(60 * 60_000)
    expect(await oauth.revoke(connection, grant)).toBe('not_offered')
    expect(server.to('/revoke')).toEqual([])
  })

  it.each([
    ['an error', () => new Response(null, { status: 503 })],
    ['a refusal', () => Response.json({ error: 'invalid_client' }, { status: 401 })],
    ['a redirect', () => new Response(null, { status: 307, headers: { location: 'http://127.0.0.1:1/' } })],
  ])('says that it failed, and does not throw, when the server answers with %s', async (_what, answer) => {
    const { oauth, connection, grant, server } = await start()
    server.answer('/revoke', answer)
    expect(await oauth.revoke(connection, grant)).toBe('failed')
  })

  it('T29: tells nothing to a server that the upstream names by now when another one made the grant', async () => {
    const { oauth, connection, grant, server } = await start()
    const other = await startFakeAuthorization()
    server.answer('/.well-known/oauth-protected-resource/mcp', () =>
      Response.json(server.resourceMetadata({ authorization_servers: [other.origin] })),
    )
    expect(await oauth.revoke(connection, grant)).toBe('revoked')
    expect(other.requests).toEqual([])
  })

  it('T29: sends no token with a client that the grant does not belong to, and registers none for that', async () => {
    const { oauth, connection, grant, server, told } = await start()
    expect(await oauth.revoke(connection, { ...grant, clientId: 'another-client' })).toBe('failed')
    const elsewhere = await startFakeAuthorization()
    const metadata = { ...elsewhere.serverMetadata(), revocation_endpoint: `${elsewhere.origin}/revoke` }
    elsewhere.answer('/.well-known/oauth-authorization-server', () => Response.json(metadata))
    expect(await oauth.revoke(connection, { ...grant, issuer: elsewhere.origin })).toBe('failed')
    expect([elsewhere.to('/register'), elsewhere.to('/revoke'), told()]).toEqual([[], [], []])
    expect(server.to('/register')).toHaveLength(1)
  })
})
