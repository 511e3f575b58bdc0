import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { GatewayError } from '../../src/errors.ts'

const CANARY = 'canary-5e1f'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
const pem = (key: typeof pair.privateKey) => key.export({ format: 'pem', type: 'pkcs8' }).toString()
const endpoints = {
  clientId: 'me',
  clientSecret: CANARY,
  authorizationEndpoint: 'https://as.example/authorize',
  tokenEndpoint: 'https://as.example/token',
  allowMissingPkceMetadata: true,
}

function parse(auth: object, environment = {}) {
  const options = {
    publicUrl: 'http://127.0.0.1:8787',
    clients: [{ clientId: 'app', clientSecret: 's' }],
    connections: { mail: { mcpServerUrl: 'https://mail.example/mcp', auth: { type: 'oauth2', ...auth } } },
  }
  return parseOptions(options, { environment }).connections[0]?.auth
}

function problemOf(auth: object): string {
  try {
    parse(auth)
  } catch (error) {
    if (error instanceof GatewayError) return error.message
  }
  throw new Error('it was taken')
}

describe('parseOptions: oauth2', () => {
  it('takes a provider that publishes no metadata', () => {
    const auth = { ...endpoints, revocationEndpoint: 'https://as.example/revoke', scopeSeparator: ',' }
    expect(parse(auth)).toMatchObject({ authorizationEndpoint: 'https://as.example/authorize', scopeSeparator: ',' })
  })

  it('leaves an issuer as it is written, because issuers are compared as texts', () => {
    expect(parse({ issuer: 'https://as.example' })).toMatchObject({ issuer: 'https://as.example' })
    expect(parse({ issuer: 'https://as.example/' })).toMatchObject({ issuer: 'https://as.example/' })
  })

  it('takes a private key as a JWK, as its text, as PEM and from the environment, and shows it nowhere', () => {
    const jwk = pair.privateKey.export({ format: 'jwk' })
    const given = [jwk, JSON.stringify(jwk), pem(pair.privateKey), { env: 'KEY' }]
    for (const privateKey of given) {
      const auth = parse({ clientId: 'me', privateKey }, { KEY: pem(pair.privateKey) })
      expect(auth).toHaveProperty('privateKey')
      expect(JSON.stringify(auth)).not.toContain(jwk.d)
    }
  })

  it.each<readonly [string, object, string]>([
    ['a key that is none', { clientId: 'me', privateKey: CANARY }, 'privateKey: is not a private key'],
    ['a public key', { clientId: 'me', privateKey: pair.publicKey.export({ format: 'jwk' }) }, 'privateKey: is not a'],
    ['a key that is too short', { clientId: 'me', privateKey: pem(weak.privateKey) }, 'privateKey: is not a key to'],
    ['a key without a client', { privateKey: pem(pair.privateKey) }, 'clientId: is missing'],
    [
      'a key beside a secret',
      { clientId: 'me', clientSecret: CANARY, privateKey: pem(pair.privateKey) },
      'clientSecret: is there beside a privateKey',
    ],
    [
      'a key and another method',
      { clientId: 'me', privateKey: pem(pair.privateKey), tokenEndpointAuthMethod: 'none' },
      'tokenEndpointAuthMethod: must be "private_key_jwt"',
    ],
    [
      'a method without its key',
      { clientId: 'me', tokenEndpointAuthMethod: 'private_key_jwt' },
      'privateKey: is missing',
    ],
    ['a method without its secret', { clientId: 'me', tokenEndpointAuthMethod: 'client_secret_post' }, 'clientSecret:'],
    ['half of the endpoints', { ...endpoints, tokenEndpoint: undefined }, 'tokenEndpoint: is missing'],
    ['the other half', { ...endpoints, authorizationEndpoint: undefined }, 'authorizationEndpoint: is missing'],
    ['only a revocation endpoint', { revocationEndpoint: 'https://as.example/revoke' }, 'revocationEndpoint: needs'],
    [
      'endpoints without a client',
      { ...endpoints, clientId: undefined, clientSecret: undefined },
      'clientId: is missing',
    ],
    [
      'T27: endpoints without a word about PKCE',
      { ...endpoints, allowMissingPkceMetadata: undefined },
      'allowMissingPkceMetadata: must be true',
    ],
    [
      'T31: an endpoint over http',
      { ...endpoints, tokenEndpoint: 'http://as.example/token' },
      'tokenEndpoint: must be https',
    ],
    [
      'T31: an endpoint that is a script',
      { ...endpoints, authorizationEndpoint: 'javascript:alert(1)' },
      'must be https',
    ],
    ...['state', 'code_challenge', 'redirect_uri', 'scope', 'request_uri'].map(
      (name) =>
        [
          `the parameter ${name}`,
          { authorizationParameters: { [name]: 'x' } },
          'is a parameter that the gateway',
        ] as const,
    ),
  ])('refuses %s', (_case, auth, message) => {
    const problem = problemOf(auth)
    expect(problem).toContain('connections.mail.auth')
    expect(problem).toContain(message)
    expect(problem).not.toContain(CANARY)
  })
})
