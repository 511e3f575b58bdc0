import { describe, expect, it, onTestFinished } from 'vitest'
import { composio, createLatchkey } from '../src/index.ts'
import { ComposioStandIn } from './fixtures/composioStandIn.ts'
import { failureOf } from './fixtures/setup.ts'

function open() {
  const service = new ComposioStandIn()
  const backend = composio({ env: { COMPOSIO_API_KEY: service.apiKey }, fetch: service.fetch })
  const latchkey = createLatchkey({ backend, config: service.configName, fetch: service.fetch, env: {} })
  onTestFinished(() => latchkey.close())
  return { service, latchkey }
}

const SERVER_ID = 'srv-1'

describe('composio', () => {
  it('names connections after their toolkits, and links that expire', async () => {
    const { latchkey } = open()
    const { connections } = await failureOf(latchkey.ready('u1'))
    expect(connections.map(({ connectionName, connectionId }) => [connectionName, connectionId])).toEqual([
      ['gmail', 'ac_1'],
      ['notion', 'ac_2'],
    ])
    expect(connections[0]?.authenticationLinkExpiresAt).toEqual(new Date('2026-12-31T23:59:59Z'))
  })

  it.each([
    ['INITIALIZING', 'PENDING_AUTH'],
    ['INITIATED', 'PENDING_AUTH'],
    ['ACTIVE', 'ACTIVE'],
    ['EXPIRED', 'EXPIRED'],
    ['FAILED', 'DISCONNECTED'],
    ['INACTIVE', 'DISCONNECTED'],
    ['REVOKED', 'DISCONNECTED'],
    ['SOMETHING_NEW', 'SOMETHING_NEW'],
  ])('says of a user whose newest account is %s: %s', async (status, expected) => {
    const { service, latchkey } = open()
    service.addAccount('u1', 'ac_1', 'EXPIRED')
    service.addAccount('u1', 'ac_1', status)
    const { id } = await latchkey.ensureInstance('u1')
    const [gmail] = await latchkey.getAuthState(id)
    expect(gmail?.status).toBe(expected)
  })

  it('takes the account that works, whichever is newer, unless its auth config is off', async () => {
    const { service, latchkey } = open()
    service.addAccount('u1', 'ac_1', 'ACTIVE')
    service.addAccount('u1', 'ac_1', 'INITIATED')
    const { id } = await latchkey.ensureInstance('u1')
    expect((await latchkey.getAuthState(id))[0]?.status).toBe('ACTIVE')
    for (const account of service.accounts) account.isDisabled = true
    expect((await latchkey.getAuthState(id))[0]?.isActive).toBe(false)
  })

  it('sends the API key in a header, and gives no URL as if it were a credential', async () => {
    const { service, latchkey } = open()
    service.authorize('u1')
    const endpoint = await latchkey.ready('u1')
    expect(endpoint.url).toBe(`${service.origin}/v3/mcp/${SERVER_ID}/mcp?user_id=u1`)
    expect(await endpoint.headers()).toEqual({ 'x-api-key': service.apiKey })
    expect((await failureOf(latchkey.mcpUrl('u1'))).code).toBe('rejected')
  })

  it('refuses a user identifier that it would take for two, before it asks', async () => {
    const { service, latchkey } = open()
    service.authorize('anna')
    expect((await failureOf(latchkey.ready('anna,berta'))).code).toBe('invalid_user_identifier')
    expect(service.requests).toEqual([])
  })

  it('names the MCP servers that there are when one is unknown', async () => {
    const { service, latchkey } = open()
    const error = await failureOf(latchkey.ready('u1', { config: 'agent' }))
    expect([error.code, error.message]).toEqual(['unknown_config', expect.stringContaining(service.configName)])
  })

  it('sends the API key to no other origin, and takes no URL of another user', async () => {
    const urls = [
      'https://elsewhere.example/v3/mcp/srv-1/mcp?user_id=u1',
      'https://backend.composio.dev/mcp?user_id=u2',
    ]
    for (const url of urls) {
      const service = new ComposioStandIn()
      const fetch = async (...[to, init]: Parameters<typeof service.fetch>) =>
        String(to).endsWith('/generate') ? Response.json({ user_ids_url: [url] }) : service.fetch(to, init)
      const backend = composio({ apiKey: service.apiKey, fetch })
      const ensuring = backend.ensureInstance({ configName: service.configName, userIdentifier: 'u1' })
      expect((await failureOf(ensuring)).code).toBe('invalid_response')
    }
  })

  it('names the two ways to give the API key when it is missing or refused', async () => {
    expect(() => composio({ env: {} })).toThrow(/composio\(\{ apiKey \}\) or set COMPOSIO_API_KEY/)
    const service = new ComposioStandIn()
    const backend = composio({ apiKey: 'canary-wrong-key', fetch: service.fetch })
    const error = await failureOf(backend.ensureInstance({ configName: service.configName, userIdentifier: 'u1' }))
    expect([error.code, error.message]).toEqual(['unauthorized', expect.stringContaining('COMPOSIO_API_KEY')])
    expect(error.message).not.toContain('canary')
  })
})
