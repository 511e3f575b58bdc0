import { createHmac, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT, type JSONWebKeySet } from 'jose'
import { describe, expect, it } from 'vitest'
import { deriveSigningKeys } from '../../src/keys/signingKeys.ts'
import { createKeys } from '../../src/keys/keys.ts'
import { aRing } from './ring.ts'

const NOW = Date.parse('2026-07-28T10:00:00.250Z')
const PUBLIC_URL = new URL('https://latchkey.example')
const AUDIENCE = 'https://latchkey.example/mcp/cfg_1'
const RING = aRing(['k1', 1])

function keysAt(now: number, ring = RING) {
  return createKeys(ring, { publicUrl: PUBLIC_URL, clock: () => now })
}

const keys = keysAt(NOW)
const INSTANCE = { id: 'ins_0123456789abcdef', urlVersion: 1, urlKeyId: 'k1' }
const CLAIMS = {
  userIdentifier: 'user_123',
  configId: 'cfg_1',
  audience: AUDIENCE,
  connectedAccountIds: ['ca_1', 'ca_2'],
  tools: ['search_mail'],
  epoch: 3,
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')

describe('urlSecret', () => {
  it('is the same every time and after a restart', () => {
    const secret = keys.urlSecret(INSTANCE).reveal()
    expect(secret).toMatch(/^lkurl_[A-Za-z0-9_-]{60,}$/)
    expect(
      keysAt(NOW + 1)
        .urlSecret(INSTANCE)
        .reveal(),
    ).toBe(secret)
    expect(keys.verifyUrlSecret(secret)).toEqual({ instanceId: INSTANCE.id, urlVersion: 1, keyId: 'k1' })
  })

  it('differs by instance, by version and by key', () => {
    const two = keysAt(NOW, aRing(['k2', 2], ['k1', 1]))
    const secrets = [
      two.urlSecret(INSTANCE),
      two.urlSecret({ ...INSTANCE, id: 'ins_0123456789abcdee' }),
      two.urlSecret({ ...INSTANCE, urlVersion: 2 }),
      two.urlSecret({ ...INSTANCE, urlKeyId: 'k2' }),
    ].map((secret) => secret.reveal())
    expect(new Set(secrets).size).toBe(4)
    for (const secret of secrets) expect(two.verifyUrlSecret(secret)).toBeDefined()
  })

  it('T1: is never the same for 100,000 instances, and its last 32 bytes are spread evenly', () => {
    const counts = new Uint32Array(256)
    const secrets = new Set<string>()
    for (let index = 0; index < 100_000; index += 1) {
      const secret = keys.urlSecret({ ...INSTANCE, id: `ins_${index}` }).reveal()
      secrets.add(secret)
      for (const byte of Buffer.from(secret.slice('lkurl_'.length), 'base64url').subarray(-32)) {
        counts[byte] = (counts[byte] ?? 0) + 1
      }
    }
    expect(secrets.size).toBe(100_000)
    const expected = (100_000 * 32) / 256
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // With 255 degrees of freedom, chance gives more than this, or less, once in a thousand times each.
    expect(chiSquare).toBeLessThan(330.5)
    expect(chiSquare).toBeGreaterThan(190.9)
  })

  it('still opens when its key is not the current one any more, and never once the key is gone', () => {
    const secret = keys.urlSecret(INSTANCE).reveal()
    expect(keysAt(NOW, aRing(['k2', 2], ['k1', 1])).verifyUrlSecret(secret)).toBeDefined()
    expect(keysAt(NOW, aRing(['k2', 2])).verifyUrlSecret(secret)).toBeUndefined()
    expect(keysAt(NOW, aRing(['k1', 9])).verifyUrlSecret(secret)).toBeUndefined()
  })

  it('is refused with any one character changed, added or taken away', () => {
    const secret = keys.urlSecret(INSTANCE).reveal()
    for (let at = 0; at < secret.length; at++) {
      const other = secret[at] === 'A' ? 'B' : 'A'
      expect(keys.verifyUrlSecret(secret.slice(0, at) + other + secret.slice(at + 1))).toBeUndefined()
      expect(keys.verifyUrlSecret(secret.slice(0, at) + secret.slice(at + 1))).toBeUndefined()
    }
    for (const added of ['A', '=', ' ', '.', '\n', '/']) expect(keys.verifyUrlSecret(secret + added)).toBeUndefined()
  })

  it.each(['', 'lkurl_', 'lkurl_AAAA', `lkurl_${'A'.repeat(60)}`, `lkurl_${'/'.repeat(600)}`, '__proto__', 'cfg_1'])(
    'refuses %j',
    (value) => {
      expect(keys.verifyUrlSecret(value)).toBeUndefined()
    },
  )

  it('takes an HMAC under no other derived key', () => {
    const bytes = Buffer.from(keys.urlSecret(INSTANCE).reveal().slice('lkurl_'.length), 'base64url')
    const body = bytes.subarray(0, -32)
    const forged = Buffer.concat([body, createHmac('sha256', Buffer.alloc(32, 1)).update(body).digest()])
    expect(keys.verifyUrlSecret(`lkurl_${forged.toString('base64url')}`)).toBeUndefined()
  })

  it('does not show when it is printed', () => {
    const secret = keys.urlSecret(INSTANCE)
    expect(secret.toString() + JSON.stringify(secret) + inspect(secret)).not.toContain('lkurl_')
  })
})

describe('signSessionToken', () => {
  it('carries the claims of the wire, and every token an id of its own', async () => {
    const { token, expiresAt } = await keys.signSessionToken(CLAIMS, 3_600)
    const again = await keys.signSessionToken(CLAIMS, 3_600)
    expect(decodeJwt(token.reveal())).toEqual({
      iss: 'https://latchkey.example',
      aud: AUDIENCE,
      sub: 'user_123',
      mcp_cfg: 'cfg_1',
      ca_ids: ['ca_1', 'ca_2'],
      tools: ['search_mail'],
      epoch: 3,
      iat: Math.floor(NOW / 1_000),
      exp: Math.floor(NOW / 1_000) + 3_600,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(decodeJwt(again.token.reveal()).jti).not.toBe(decodeJwt(token.reveal()).jti)
    expect(expiresAt.getTime()).toBe((Math.floor(NOW / 1_000) + 3_600) * 1_000)
    expect(await keys.verifySessionToken(token.reveal(), AUDIENCE)).toEqual(CLAIMS)
  })

  it('carries no tools claim where the token is not narrowed', async () => {
    const { token } = await keys.signSessionToken({ ...CLAIMS, tools: undefined }, 60)
    expect(decodeJwt(token.reveal())).not.toHaveProperty('tools')
    expect((await keys.verifySessionToken(token.reveal(), AUDIENCE))?.tools).toBeUndefined()
  })

  it('can be narrowed to no tool at all', async () => {
    const { token } = await keys.signSessionToken({ ...CLAIMS, tools: [] }, 60)
    expect((await keys.verifySessionToken(token.reveal(), AUDIENCE))?.tools).toEqual([])
  })
})

describe('jwks', () => {
  it('lets others verify, holds every key of the ring and nothing private', async () => {
    const rotated = keysAt(NOW, aRing(['k2', 2], ['k1', 1]))
    const jwks: JSONWebKeySet = JSON.parse(JSON.stringify(rotated.jwks()))
    expect(jwks.keys.map((key) => Object.keys(key).toSorted())).toEqual(
      Array.from({ length: 2 }, () => ['alg', 'crv', 'kid', 'kty', 'use', 'x']),
    )
    const { token } = await keys.signSessionToken(CLAIMS, 60)
    const verified = await jwtVerify(token.reveal(), createLocalJWKSet(jwks), { currentDate: new Date(NOW) })
    expect(verified.protectedHeader.kid).toBe('k1')
  })
})

describe('verifySessionToken', () => {
  const signingKey = deriveSigningKeys(RING).get('k1')!.privateKey
  const seconds = Math.floor(NOW / 1_000)
  const goodHeader = { alg: 'EdDSA', kid: 'k1', typ: 'latchkey-session+jwt' }
  const goodPayload = {
    iss: 'https://latchkey.example',
    aud: AUDIENCE,
    sub: 'user_123',
    mcp_cfg: 'cfg_1',
    ca_ids: ['ca_1'],
    iat: seconds,
    exp: seconds + 60,
    jti: 'one',
  }
  const sign = (header: Record<string, unknown>, payload: Record<string, unknown>, key = signingKey) =>
    new SignJWT(payload).setProtectedHeader({ ...goodHeader, ...header }).sign(key)
  const without = (claim: keyof typeof goodPayload) =>
    Object.fromEntries(Object.entries(goodPayload).filter(([name]) => name !== claim))

  it('T72: takes a token of a replica whose clock is a minute ahead or behind', async () => {
    for (const ahead of [60_000, -60_000]) {
      const { token } = await keysAt(NOW + ahead).signSessionToken(CLAIMS, 3_600)
      expect(await keys.verifySessionToken(token.reveal(), AUDIENCE)).toMatchObject({ configId: CLAIMS.configId })
    }
  })

  it('takes the token that the rest of the matrix spoils', async () => {
    expect(await keys.verifySessionToken(await sign({}, goodPayload), AUDIENCE)).toMatchObject({ configId: 'cfg_1' })
  })

  it.each<[string, Record<string, unknown>]>([
    ['a prefix of the audience', { aud: AUDIENCE.slice(0, -1) }],
    ['a trailing slash', { aud: `${AUDIENCE}/` }],
    ['another config', { aud: `${PUBLIC_URL.origin}/mcp/cfg_2` }],
    ['a list that holds the audience', { aud: [AUDIENCE] }],
    ['a list that holds the audience and another', { aud: [AUDIENCE, 'https://other.example'] }],
    ['another case', { aud: AUDIENCE.toUpperCase() }],
    ['another issuer', { iss: 'https://latchkey.example.evil' }],
    ['an expiry one second ago', { exp: seconds - 1 }],
    ['an expiry now', { exp: seconds }],
    ['an expiry that is a text', { exp: '9999999999' }],
    ['a start in the future', { nbf: seconds + 1 }],
    ['an empty subject', { sub: '' }],
    ['a subject that is a number', { sub: 7 }],
    ['tools that are not a list', { tools: '*' }],
    ['accounts that are not a list', { ca_ids: 'ca_1' }],
    ['a config that is not a text', { mcp_cfg: { id: 'cfg_1' } }],
  ])('T8: refuses %s', async (_, change) => {
    expect(await keys.verifySessionToken(await sign({}, { ...goodPayload, ...change }), AUDIENCE)).toBeUndefined()
  })

  it.each(['iss', 'aud', 'sub', 'mcp_cfg', 'ca_ids', 'iat', 'exp', 'jti'] as const)(
    'T8: refuses a token without %s',
    async (claim) => {
      expect(await keys.verifySessionToken(await sign({}, without(claim)), AUDIENCE)).toBeUndefined()
    },
  )

  it.each<[string, Record<string, unknown>]>([
    ['an unknown key id', { kid: 'k2' }],
    ['a key id that is a path', { kid: '../../k1' }],
    ['a key id of the prototype', { kid: '__proto__' }],
    ['no key id', { kid: undefined }],
    ['the type of an access token', { typ: 'at+jwt' }],
    ['a plain type', { typ: 'JWT' }],
    ['no type', { typ: undefined }],
  ])('T8: refuses %s', async (_, change) => {
    expect(await keys.verifySessionToken(await sign(change, goodPayload), AUDIENCE)).toBeUndefined()
  })

  it('T8: refuses a critical header that it does not know', async () => {
    const header = { ...goodHeader, crit: ['exp'], exp: seconds + 60 }
    const token = await new SignJWT(goodPayload).setProtectedHeader(header).sign(signingKey, { crit: { exp: true } })
    expect(await keys.verifySessionToken(token, AUDIENCE)).toBeUndefined()
  })

  it("T8: ignores keys that the token brings along: another's signature stays another's", async () => {
    const other = generateKeyPairSync('ed25519')
    const jwk = other.publicKey.export({ format: 'jwk' })
    for (const header of [{ jwk }, { jku: 'https://evil.example/keys' }, { x5u: 'https://evil.example/cert' }]) {
      expect(await keys.verifySessionToken(await sign(header, goodPayload, other.privateKey), AUDIENCE)).toBeUndefined()
    }
  })

  it('T8: refuses unsigned tokens', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      const token = `${encode({ ...goodHeader, alg })}.${encode(goodPayload)}.`
      expect(await keys.verifySessionToken(token, AUDIENCE)).toBeUndefined()
    }
  })

  it('T8: refuses an HMAC with the public key as its secret', async () => {
    const [jwk] = keys.jwks().keys
    const spki = deriveSigningKeys(RING).get('k1')!.publicKey.export({ format: 'pem', type: 'spki' })
    for (const secret of [spki, String(jwk?.x), Buffer.from(String(jwk?.x), 'base64url')]) {
      const signed = `${encode({ ...goodHeader, alg: 'HS256' })}.${encode(goodPayload)}`
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      expect(await keys.verifySessionToken(`${signed}.${signature}`, AUDIENCE)).toBeUndefined()
    }
  })

  it('T8: refuses another algorithm under a key id of ours', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    expect(
      await keys.verifySessionToken(await sign({ alg: 'RS256' }, goodPayload, privateKey), AUDIENCE),
    ).toBeUndefined()
  })

  it('T8: refuses a changed payload and a cut signature', async () => {
    const [header, , signature] = (await sign({}, goodPayload)).split('.')
    const changed = encode({ ...goodPayload, sub: 'user_456' })
    expect(await keys.verifySessionToken(`${header}.${changed}.${signature}`, AUDIENCE)).toBeUndefined()
    expect(await keys.verifySessionToken(`${header}.${encode(goodPayload)}.`, AUDIENCE)).toBeUndefined()
  })

  it.each(['', 'x', '..', 'a.b.c', '{}'])('refuses %j', async (value) => {
    expect(await keys.verifySessionToken(value, AUDIENCE)).toBeUndefined()
  })

  it('T8: expires by the clock that it is given', async () => {
    const { token } = await keys.signSessionToken(CLAIMS, 60)
    expect(await keysAt(NOW + 59_000).verifySessionToken(token.reveal(), AUDIENCE)).toBeDefined()
    expect(await keysAt(NOW + 60_000).verifySessionToken(token.reveal(), AUDIENCE)).toBeUndefined()
  })
})

describe('verifyAccessToken', () => {
  it('gives the client while the token lasts', async () => {
    const { token, expiresInSeconds } = await keys.signAccessToken('app')
    expect(await keys.verifyAccessToken(token.reveal())).toBe('app')
    expect(await keysAt(NOW + expiresInSeconds * 1_000).verifyAccessToken(token.reveal())).toBeUndefined()
  })

  it('takes no session token, and no session is opened by an access token', async () => {
    const session = await keys.signSessionToken({ ...CLAIMS, audience: `${PUBLIC_URL.origin}/api` }, 60)
    const access = await keys.signAccessToken('app')
    expect(await keys.verifyAccessToken(session.token.reveal())).toBeUndefined()
    expect(await keys.verifySessionToken(access.token.reveal(), `${PUBLIC_URL.origin}/api`)).toBeUndefined()
    expect(decodeProtectedHeader(access.token.reveal()).typ).toBe('at+jwt')
  })

  it('T8: takes no token that is for somebody else too', async () => {
    const signingKey = deriveSigningKeys(RING).get('k1')
    const audience = `${PUBLIC_URL.origin}/api`
    const sign = (aud: string | string[]) =>
      new SignJWT({ sub: 'app' })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'k1', typ: 'at+jwt' })
        .setIssuer(PUBLIC_URL.origin)
        .setAudience(aud)
        .setIssuedAt(new Date(NOW))
        .setExpirationTime(new Date(NOW + 60_000))
        .setJti('one')
        .sign(signingKey?.privateKey ?? new Uint8Array())
    expect(await keys.verifyAccessToken(await sign(audience))).toBe('app')
    expect(await keys.verifyAccessToken(await sign([audience, 'https://other.example']))).toBeUndefined()
    expect(await keys.verifyAccessToken(await sign([audience]))).toBeUndefined()
  })

  it('takes no token of another gateway, even under the same keys', async () => {
    const other = createKeys(RING, { publicUrl: new URL('https://other.example'), clock: () => NOW })
    expect(await keys.verifyAccessToken((await other.signAccessToken('app')).token.reveal())).toBeUndefined()
  })
})

describe('digest', () => {
  it('separates purposes and parts without ambiguity', () => {
    const digests = [
      keys.digest('csrf', 'a', 'bc'),
      keys.digest('csrf', 'ab', 'c'),
      keys.digest('csrf', 'abc'),
      keys.digest('csrf', 'a', 'bc', ''),
      keys.digest('csrfa', 'bc'),
      keysAt(NOW, aRing(['k1', 2])).digest('csrf', 'a', 'bc'),
    ]
    expect(new Set(digests).size).toBe(digests.length)
    expect(keys.digest('csrf', 'a', 'bc')).toBe(digests[0])
  })
})
