import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createGateway, type GatewayOptions, type LogRecord } from '../../src/index.ts'
import { parseKeyRing } from '../../src/keys/keyRing.ts'
import { Secret } from '../../src/secret.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { RingName, Store } from '../../src/store/store.ts'
import { keyReport } from '../../src/vault/keyReport.ts'
import { openVault } from '../../src/vault/openVault.ts'
import { retireSigningKey } from '../../src/vault/retireSigningKey.ts'
import { rotateKeys } from '../../src/vault/rotateKeys.ts'

const START = Date.parse('2026-07-28T10:00:00Z')
const AT = new Date(START)
const clock = () => START

let folder: string
let store: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-rotate-'))
  store = await openSqliteStore(join(folder, 'latchkey.db'))
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const entry = (id: string, byte: number) => `${id}:${Buffer.alloc(32, byte).toString('base64url')}`
const given = (encryption: string, signing: string) => ({
  encryptionKeys: new Secret(encryption),
  signingKeys: new Secret(signing),
})

describe.each<RingName>(['encryption', 'signing'])('rotateKeys of the %s ring', (ring) => {
  it('gives the two texts for the configuration, which bring the new key in without a gap', async () => {
    const options = { ...given(entry('k1', 1), entry('k1', 1)), isLoopback: false, store, clock }
    const rotated = await rotateKeys(options, ring)
    if (rotated.kind !== 'configuration') throw new Error(`It is ${rotated.kind}`)
    expect(rotated).toMatchObject({ keyId: 'k2', variable: `LATCHKEY_${ring.toUpperCase()}_KEYS` })
    const [announced, current] = [rotated.announced, rotated.current].map((text) => parseKeyRing(text.reveal(), 'it'))
    expect([announced?.currentId, current?.currentId]).toEqual(['k1', 'k2'])
    expect(announced?.keys.get('k2')).toEqual(current?.keys.get('k2'))
    expect(current?.keys.get('k1')).toEqual(new Uint8Array(32).fill(1))
    expect(inspect(rotated, { depth: 5 }) + JSON.stringify(rotated)).not.toContain('AQEBAQ')
  })

  it('puts the new key first in the file that the gateway made for itself', async () => {
    const options = { isLoopback: true, directory: folder, store, clock }
    const before = await openVault(options)
    expect(await rotateKeys(options, ring)).toEqual({ kind: 'file', keyId: 'k2' })
    const { rings } = await openVault(options)
    expect([...rings[ring].keys.keys()]).toEqual(['k2', 'k1'])
    expect(rings[ring].keys.get('k1')).toEqual(before.rings[ring].keys.get('k1'))
    const other = ring === 'encryption' ? 'signing' : 'encryption'
    expect(rings[other]).toEqual(before.rings[other])
  })

  it('says what is missing where there are no keys at all', async () => {
    await expect(rotateKeys({ isLoopback: true, directory: folder, store, clock }, ring)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining(`LATCHKEY_${ring.toUpperCase()}_KEYS must be set`),
    })
  })
})

async function openWith(signing: string) {
  return await openVault({ ...given(entry('k1', 1), signing), isLoopback: false, store, clock })
}

async function anInstance(id: string, urlKeyId: string): Promise<void> {
  const common = { configId: 'cfg_1', name: 'agent', urlVersion: 1, lastUsedAt: undefined }
  await store.instances.ensure({ ...common, id, userIdentifier: id, urlKeyId, createdAt: AT, updatedAt: AT })
}

describe('retireSigningKey', () => {
  beforeEach(async () => {
    const config = { id: 'cfg_1', name: 'agent', description: undefined, mappings: [] }
    await store.configs.insert({ ...config, createdAt: AT, updatedAt: AT })
  })

  it('gives every instance of the key another URL, tells everybody, and lets the key go', async () => {
    await openWith(entry('s1', 1))
    for (let n = 0; n < 250; n++) await anInstance(`ins_${n}`, 's1')
    const { rings } = await openWith(`${entry('s2', 2)},${entry('s1', 1)}`)
    await anInstance('ins_new', 's2')
    await expect(openWith(entry('s2', 2))).rejects.toThrow(/latchkey keys retire s1/)
    expect(await retireSigningKey({ store, keys: rings.signing, keyId: 's1', clock })).toBe(250)
    expect(await store.instances.listByUrlKey('s1', 10)).toEqual([])
    expect(await store.instances.get('ins_7')).toMatchObject({ urlVersion: 2, urlKeyId: 's2' })
    expect(await store.instances.get('ins_new')).toMatchObject({ urlVersion: 1, urlKeyId: 's2' })
    expect(await store.changes.after(0, 1_000)).toHaveLength(250)
    await expect(openWith(entry('s2', 2))).resolves.toBeDefined()
    await expect(openWith(`${entry('s1', 1)},${entry('s2', 2)}`)).rejects.toThrow(/"s1".*was replaced and given up/)
  })

  it('does nothing the second time', async () => {
    await openWith(entry('s1', 1))
    await anInstance('ins_1', 's1')
    const { rings } = await openWith(`${entry('s2', 2)},${entry('s1', 1)}`)
    await retireSigningKey({ store, keys: rings.signing, keyId: 's1', clock })
    expect(await retireSigningKey({ store, keys: rings.signing, keyId: 's1', clock })).toBe(0)
  })

  it('refuses the current key, and one that was never used', async () => {
    const { rings } = await openWith(entry('s1', 1))
    const retire = (keyId: string) => retireSigningKey({ store, keys: rings.signing, keyId, clock })
    await expect(retire('s1')).rejects.toMatchObject({ code: 'precondition' })
    await expect(retire('s9')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('keyReport', () => {
  it('says of each key what it is and how much it seals', async () => {
    await openVault({ ...given(entry('k1', 1), entry('s1', 1)), isLoopback: false, store, clock })
    const options = { ...given(`${entry('k2', 2)},${entry('k1', 1)}`, entry('s1', 1)), isLoopback: false, store, clock }
    const { vault, ...opened } = await openVault(options)
    const sealedClientSecret = vault.seal('secret', ['a place'])
    await store.registrations.put(
      { issuer: 'i', redirectUri: 'r' },
      { clientId: 'c', sealedClientSecret, metadata: {} },
    )
    expect(await keyReport({ store, ...opened })).toMatchObject([
      { ring: 'encryption', keyId: 'k1', isCurrent: false, isAvailable: true, seenAt: AT, values: 0 },
      { ring: 'encryption', keyId: 'k2', isCurrent: true, isAvailable: true, seenAt: AT, values: 1 },
      { ring: 'signing', keyId: 's1', isCurrent: true, isAvailable: true, values: undefined },
    ])
  })
})

describe('createGateway', () => {
  const options: GatewayOptions = {
    publicUrl: 'http://127.0.0.1:8787',
    clients: [{ clientId: 'app', clientSecret: 'canary-client-secret' }],
    connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
    signingKeys: entry('s1', 1),
  }

  it('brings what old keys sealed under the current one by itself, and says so', async () => {
    const database = `sqlite:${join(folder, 'latchkey.db')}`
    await using before = await createGateway({ ...options, database, encryptionKeys: entry('k1', 1) })
    await before.close()
    const { vault } = await openVault({ ...given(entry('k1', 1), entry('s1', 1)), isLoopback: true, store, clock })
    const sealedClientSecret = vault.seal('secret', ['a place'])
    const key = { issuer: 'i', redirectUri: 'r' }
    await store.registrations.put(key, { clientId: 'c', sealedClientSecret, metadata: {} })
    const told = Promise.withResolvers<LogRecord>()
    await using gateway = await createGateway({
      ...options,
      database,
      encryptionKeys: `${entry('k2', 2)},${entry('k1', 1)}`,
      log: (record) => record['message'] === 'reencryption' && told.resolve(record),
    })
    expect(await told.promise).toMatchObject({ level: 'info', keyId: 'k2', rewrapped: 1, unreadable: 0 })
    const kept = await store.registrations.get(key)
    expect(Buffer.from(kept?.sealedClientSecret ?? []).toString('latin1', 2, 4)).toBe('k2')
    await gateway.close()
  })

  it('takes a key management service of the embedding program', async () => {
    const calls: string[] = []
    const reverse = (name: string) => (key: Uint8Array) => {
      calls.push(name)
      return Promise.resolve(key.toReversed())
    }
    const keyManagement = { encrypt: reverse('encrypt'), decrypt: reverse('decrypt') }
    const { signingKeys: _, ...others } = options
    await using gateway = await createGateway({ ...others, database: 'sqlite::memory:', keyManagement })
    expect(calls).toEqual(['encrypt', 'encrypt', 'decrypt', 'decrypt'])
    const jwks = await gateway.fetch(new Request('http://127.0.0.1:8787/keys', { headers: { host: '127.0.0.1:8787' } }))
    expect(await jwks.json()).toMatchObject({ keys: [{ kid: 'kms-1' }] })
  })

  it.each([
    [{ type: 'gcp-kms', keyId: 'k' }, 'keyManagement.type: must be "aws-kms"'],
    [{ type: 'aws-kms' }, 'keyManagement.keyId: is missing'],
    [{ type: 'aws-kms', keyId: 'k', keyid: 'k' }, 'keyManagement.keyid: unknown key, did you mean "keyId"?'],
    [{ type: 'aws-kms', keyId: 'k', endpoint: 'http://kms.example' }, 'keyManagement.endpoint: must be https'],
    ['aws-kms', 'keyManagement: must be an object'],
  ])('refuses %j as keyManagement, saying why', async (keyManagement, message) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a configuration file may hold anything
    const wrong = { ...options, keyManagement } as GatewayOptions
    await expect(createGateway(wrong)).rejects.toThrow(message)
  })
})
