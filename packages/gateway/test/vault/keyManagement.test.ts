import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Secret } from '../../src/secret.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { createAwsKms } from '../../src/vault/awsKms.ts'
import { addManagedKey } from '../../src/vault/managedKeys.ts'
import { openVault, type OpenVaultOptions } from '../../src/vault/openVault.ts'
import { QUIET_MS } from '../../src/vault/reencryption.ts'
import { KMS_KEY, startFakeKms, type FakeKms } from './fakeKms.ts'
import { heldInFiles } from './filesHold.ts'

const START = Date.parse('2026-07-28T10:00:00Z')
const CONTEXT = ['a place']
const MINUTE = 60_000

let kms: FakeKms
let folder: string
let store: Store
let now: number
beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'example')
  now = START
  kms = await startFakeKms()
  folder = await mkdtemp(join(tmpdir(), 'latchkey-kms-'))
  store = await openSqliteStore(join(folder, 'latchkey.db'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await store.close()
  await kms.close()
  await rm(folder, { recursive: true })
})

const clock = () => now
const awsKms = () => ({ type: 'aws-kms', keyId: KMS_KEY, region: 'eu-central-1', endpoint: kms.url }) as const

function open(change: Partial<OpenVaultOptions> = {}) {
  return openVault({ keyManagement: awsKms(), isLoopback: false, store, clock, ...change })
}

async function rotate(ring: 'encryption' | 'signing') {
  return await addManagedKey({ ringKeys: store.ringKeys, service: await createAwsKms(awsKms()), clock }, ring)
}

/** A service of one's own, which is as bad as it is short. */
const scramble = (bytes: Uint8Array) => Promise.resolve(bytes.map((byte) => byte ^ 0x55))

const ring = (id: string, byte: number) => new Secret(`${id}:${Buffer.alloc(32, byte).toString('base64url')}`)

describe('createAwsKms', () => {
  it('decrypts what it encrypted, in the same context only', async () => {
    const service = await createAwsKms(awsKms())
    const key = new Uint8Array(32).fill(7)
    const encrypted = await service.encrypt(key, { purpose: 'one' })
    expect(Buffer.from(encrypted).includes(Buffer.from(key.subarray(0, 8)))).toBe(false)
    expect([...(await service.decrypt(encrypted, { purpose: 'one' }))]).toEqual([...key])
    await expect(service.decrypt(encrypted, { purpose: 'two' })).rejects.toThrow(/InvalidCiphertext|Unknown/)
  })
})

describe('openVault with a key management service', () => {
  it('makes the first keys, and finds the same ones again', async () => {
    const first = await open()
    const sealed = first.vault.seal('secret', CONTEXT)
    const second = await open()
    expect(second.vault.open(sealed, CONTEXT)).toBe('secret')
    expect(second.rings.signing).toEqual(first.rings.signing)
    expect(second.rings.encryption.currentId).toBe('kms-1')
    expect(kms.calls.filter((call) => call === 'Encrypt')).toHaveLength(2)
  })

  it('asks the service at the start only', async () => {
    const { vault } = await open()
    const calls = kms.calls.length
    for (let n = 0; n < 50; n++) vault.open(vault.seal('secret', CONTEXT), CONTEXT)
    expect(kms.calls).toHaveLength(calls)
  })

  it('agrees on one set of keys when several gateways start at once on an empty database', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => open()))
    const sealed = opened.map(({ vault }) => vault.seal('secret', CONTEXT))
    for (const { vault } of opened) for (const value of sealed) expect(vault.open(value, CONTEXT)).toBe('secret')
    expect(new Set(opened.map(({ rings }) => JSON.stringify([...rings.signing.keys]))).size).toBe(1)
  })

  it('gives whoever takes the database nothing without the service', async () => {
    const { rings } = await open()
    const keys = [...rings.encryption.keys.values(), ...rings.signing.keys.values()]
    expect(keys).toHaveLength(2)
    expect(await heldInFiles(folder, keys)).toEqual([])
    kms.forget()
    await expect(open()).rejects.toMatchObject({ code: 'configuration' })
  })

  it('does not start, makes nothing and says why when the service refuses', async () => {
    kms.failure = { status: 400, type: 'AccessDeniedException' }
    await expect(open()).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/key management service did not answer as it should \(AccessDenied/),
    })
    expect(await store.ringKeys.list('encryption')).toEqual([])
    expect(await store.ringKeys.list('signing')).toEqual([])
  })

  it('does not start when the service cannot be reached', async () => {
    await kms.close()
    await expect(open()).rejects.toMatchObject({ code: 'configuration' })
    expect(await store.ringKeys.list('encryption')).toEqual([])
  })

  it('does not take keys that were swapped in the database', async () => {
    const { rings } = await open()
    expect([...rings.encryption.keys.keys()]).toEqual(['kms-1'])
    const other = await openSqliteStore(':memory:')
    for (const key of await store.ringKeys.list('encryption')) {
      expect(await other.ringKeys.insert({ ...key, ring: 'signing' })).toBe(true)
    }
    await expect(open({ store: other })).rejects.toMatchObject({ code: 'configuration' })
    await other.close()
  })

  it('takes a service of the embedding program', async () => {
    const service = { encrypt: scramble, decrypt: scramble }
    const { vault } = await open({ keyManagement: service })
    const again = await open({ keyManagement: service })
    expect(again.vault.open(vault.seal('secret', CONTEXT), CONTEXT)).toBe('secret')
  })

  it('goes on with the keys of before as old ones, and gives them up when nothing needs them', async () => {
    const given = { encryptionKeys: ring('k1', 1), signingKeys: ring('s1', 2) }
    const before = await open({ ...given, keyManagement: undefined })
    const sealed = before.vault.seal('secret', CONTEXT)
    await expect(open()).rejects.toThrow(/was used with the encryption key "k1" before/)
    const after = await open(given)
    expect(after.vault.open(sealed, CONTEXT)).toBe('secret')
    expect(after.rings).toMatchObject({ encryption: { currentId: 'kms-1' }, signing: { currentId: 'kms-1' } })
    now += QUIET_MS
    expect(await after.reencryption.run()).toMatchObject({ retired: ['k1'] })
    await expect(open({ signingKeys: ring('s1', 2) })).resolves.toBeDefined()
  })
})

describe('addManagedKey', () => {
  it('T62: changes the encryption key of gateways that run, without a value being unreadable in between', async () => {
    const one = await open()
    const two = await open()
    const sealed = [one.vault.seal('secret', CONTEXT)]
    const { keyId, currentFrom } = await rotate('encryption')
    expect([keyId, currentFrom.getTime() - now]).toEqual(['kms-2', 10 * MINUTE])
    await one.reload()
    expect(one.rings.encryption.currentId).toBe('kms-1')
    await two.reload()
    now += 10 * MINUTE
    expect(one.rings.encryption.currentId).toBe('kms-2')
    sealed.push(one.vault.seal('secret', CONTEXT), two.vault.seal('secret', CONTEXT))
    for (const value of sealed) expect(two.vault.open(value, CONTEXT)).toBe('secret')
    expect(await one.reencryption.run()).toMatchObject({ retired: ['kms-1'] })
    const later = await open()
    expect([...later.rings.encryption.keys.keys()]).toEqual(['kms-2'])
  })

  it('lets a new signing key be known to everybody before it signs', async () => {
    await open()
    await rotate('signing')
    const known = await open()
    expect([known.rings.signing.currentId, ...known.rings.signing.keys.keys()]).toEqual(['kms-1', 'kms-1', 'kms-2'])
    now += 24 * 60 * MINUTE
    expect(known.rings.signing.currentId).toBe('kms-1')
    expect((await open()).rings.signing.currentId).toBe('kms-2')
  })

  it('makes one key when it is asked twice at once', async () => {
    await open()
    const results = await Promise.allSettled([rotate('encryption'), rotate('encryption')])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } })
  })
})
