import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { presetNames, presets } from '../../src/config/presets.ts'
import type { Connection } from '../../src/domain.ts'
import { GatewayError } from '../../src/errors.ts'
import { createOAuth } from '../../src/oauth/oauth.ts'
import { createParts } from '../oauth/support/parts.ts'

function parse(mail: object) {
  const clients = [{ clientId: 'app', clientSecret: 's' }]
  const [connection] = parseOptions(
    { publicUrl: 'http://127.0.0.1:8787', clients, connections: { mail } },
    { environment: {} },
  ).connections
  if (connection === undefined) throw new Error('no connection')
  return connection
}

function problemOf(mail: object): string {
  try {
    parse(mail)
  } catch (error) {
    if (error instanceof GatewayError) return error.message
  }
  throw new Error('it was taken')
}

/** The whole internet, on which every server says what servers of the specification say. */
function soundServers(changes: object = {}) {
  const requests: string[] = []
  const fetch = async (input: string | URL) => {
    const url = new URL(input)
    requests.push(url.href)
    if (url.pathname.startsWith('/.well-known/oauth-protected-resource')) {
      const resource = new URL(url.pathname.replace('/.well-known/oauth-protected-resource', '') || '/', url).href
      return Response.json({ resource, authorization_servers: ['https://as.example'], scopes_supported: ['read'] })
    }
    if (url.pathname.startsWith('/.well-known/')) {
      return Response.json({
        issuer: 'https://as.example',
        authorization_endpoint: 'https://as.example/authorize',
        token_endpoint: 'https://as.example/token',
        registration_endpoint: 'https://as.example/register',
        code_challenge_methods_supported: ['S256'],
        ...changes,
      })
    }
    if (url.pathname === '/register') return Response.json({ client_id: 'dynamic-client' }, { status: 201 })
    return new Response(null, { status: 401 })
  }
  return { requests, fetch: Object.assign(fetch, { send: () => Promise.reject(new Error('not used')) }) }
}

describe('presets', () => {
  it.each(presetNames.map((name) => [name]))('%s makes a connection and an authorization URL', async (name) => {
    const preset = Object.entries(presets).find(([key]) => key === name)?.[1]
    const client = preset?.needsClient === true ? { auth: { clientId: 'me', clientSecret: 's' } } : {}
    const server = preset?.mcpServerUrl === undefined ? { mcpServerUrl: 'https://mcp.example/mcp' } : {}
    const definition = parse({ preset: name, ...server, ...client })
    expect(definition).toMatchObject({ displayName: preset?.displayName, provider: name })
    expect(new URL(preset?.documentation ?? '').protocol).toBe('https:')
    const connection: Connection = { id: 'conn_1', ...definition }
    const changes = name === 'microsoft' ? { code_challenge_methods_supported: undefined } : {}
    const { fetch } = soundServers(changes)
    const { registrations, vault, clock } = createParts()
    const oauth = createOAuth({ fetch, registrations, vault, clock, publicUrl: 'https://latchkey.example' })
    const attempt = await oauth.begin(connection)
    const url = new URL(attempt.authorizationUrl)
    expect(url.protocol).toBe('https:')
    expect(url.searchParams.get('client_id')).toBe(preset?.needsClient === true ? 'me' : 'dynamic-client')
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
    for (const [parameter, value] of Object.entries(preset?.auth?.authorizationParameters ?? {})) {
      expect(url.searchParams.get(parameter)).toBe(value)
    }
    expect(url.searchParams.has('resource')).toBe(preset?.auth?.sendResource !== false)
  })

  it('asks Asana for tokens of the resource that its documentation names', async () => {
    const definition = parse({ preset: 'asana', auth: { clientId: 'me' } })
    const { fetch } = soundServers()
    const { registrations, vault, clock } = createParts()
    const oauth = createOAuth({ fetch, registrations, vault, clock, publicUrl: 'https://latchkey.example' })
    expect((await oauth.begin({ id: 'conn_1', ...definition })).resource).toBe('https://mcp.asana.com/v2')
  })
})

describe('parseOptions: preset', () => {
  it('takes what the connection says before what the preset says', () => {
    const own = {
      displayName: 'Our wiki',
      provider: 'wiki',
      mcpServerUrl: 'https://wiki.example/mcp',
      auth: { type: 'oauth2', scopes: ['read'], authorizationParameters: { prompt: 'none' }, clientId: 'me' },
    }
    expect(parse({ preset: 'google', ...own })).toEqual({ name: 'mail', ...own })
  })

  it('leaves a connection with a key alone', () => {
    const auth = { type: 'api_key', header: 'Authorization', prefix: 'Bearer ' }
    expect(parse({ preset: 'microsoft', mcpServerUrl: 'https://mcp.example/mcp', auth }).auth).toEqual(auth)
  })

  it('leaves endpoints out where another authorization server is named', () => {
    const auth = { clientId: 'me', issuer: 'https://sandbox.example' }
    const parsed = parse({ preset: 'salesforce', mcpServerUrl: 'https://mcp.example/mcp', auth }).auth
    expect(parsed).not.toHaveProperty('authorizationEndpoint')
    expect(parsed).toMatchObject({ issuer: 'https://sandbox.example' })
  })

  it.each([
    [{ preset: 'nosion' }, 'connections.mail.preset: there is no such preset, did you mean "notion"?'],
    [{ preset: '__proto__' }, 'connections.mail.preset: there is no such preset'],
    [{ preset: 'slack' }, 'connections.mail.auth.clientId: is missing: "slack" takes only clients'],
    [{ preset: 'google', auth: { clientId: 'me' } }, 'connections.mail.mcpServerUrl: is missing'],
    [
      { preset: 'notion', auth: { resource: 'https://evil.example/mcp' } },
      'connections.mail.auth.resource: is not on the host of the mcpServerUrl',
    ],
  ])('refuses %j', (mail, message) => {
    expect(problemOf(mail)).toContain(message)
  })
})
