import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createLatchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningGateway, startGateway } from './fixtures/index.ts'

/** A URL is not there; without a token, a client looks for somewhere to register, and finds nothing. */
const FAILURES = { url: 'there is no MCP endpoint here', endpoint: /40\d|registration|Unauthorized/i }

const INFO = { name: 'denied', version: '1.0.0' }

/** A client that would register itself and send its user away, if it were told how. */
function createProvider() {
  const redirects: string[] = []
  return {
    redirects,
    provider: {
      redirectUrl: 'http://127.0.0.1/callback',
      clientMetadata: { client_name: 'denied', redirect_uris: ['http://127.0.0.1/callback'] },
      clientInformation: () => undefined,
      saveClientInformation: () => undefined,
      tokens: () => undefined,
      saveTokens: () => undefined,
      redirectToAuthorization: (url: URL) => void redirects.push(url.href),
      saveCodeVerifier: () => undefined,
      codeVerifier: () => 'verifier',
    },
  }
}

type Provider = ReturnType<typeof createProvider>['provider']

const CONNECTS: [string, (url: URL, authProvider: Provider) => Promise<void>][] = [
  ['v1', async (url, authProvider) => await new LegacyClient(INFO).connect(new LegacyTransport(url, { authProvider }))],
  [
    'v2',
    async (url, authProvider) =>
      await new Client(INFO).connect(new StreamableHTTPClientTransport(url, { authProvider })),
  ],
]

describe('a client that is denied', () => {
  let gateway: RunningGateway
  let denied: Readonly<Record<'url' | 'endpoint', string>>
  beforeAll(async () => {
    gateway = await startGateway(
      {
        connections: { mail: { mcpServerUrl: 'http://127.0.0.1:1/mcp', auth: { type: 'none' } } },
        configs: { mail: { mail: '*' } },
      },
      { record: true },
    )
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config: 'mail' })
    const revoked = await latchkey.mcpUrl('ada')
    const endpoint = await latchkey.ready('ada')
    await latchkey.revokeUser('ada')
    denied = { url: revoked, endpoint: endpoint.url }
  })
  afterAll(async () => await gateway.close())

  describe.each(CONNECTS)('of the SDK %s', (_version, connect) => {
    it.each(['url', 'endpoint'] as const)(
      'T37: fails by its %s, registers nowhere and sends nobody away',
      async (kind) => {
        const { provider, redirects } = createProvider()
        const before = gateway.answers.length
        await expect(connect(new URL(denied[kind]), provider)).rejects.toThrow(FAILURES[kind])
        expect(redirects).toEqual([])
        for (const { path, headers, body } of gateway.answers.slice(before)) {
          expect(headers).not.toContain('text/html')
          expect(path.startsWith('/mcp/') || path.includes('/.well-known/') || path === '/register').toBe(true)
          expect(await body).not.toMatch(/_endpoint"/)
        }
      },
    )
  })

  it('T37: gets a challenge that names no other server, and a bare 404 at the well-known places', async () => {
    const answer = await fetch(denied.endpoint, { method: 'POST', body: '{}' })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    const { origin, pathname } = new URL(denied.endpoint)
    const places = ['oauth-protected-resource', 'oauth-authorization-server', 'openid-configuration']
    for (const place of places.flatMap((name) => [`/.well-known/${name}`, `/.well-known/${name}${pathname}`])) {
      const response = await fetch(`${origin}${place}`, { redirect: 'manual' })
      expect(response.status).toBe(404)
      expect(response.headers.get('content-type') ?? '').not.toContain('html')
    }
  })
})
