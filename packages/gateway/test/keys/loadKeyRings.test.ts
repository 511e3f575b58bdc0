import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatKeyRing, parseKeyRing } from '../../src/keys/keyRing.ts'
import { loadKeyRings } from '../../src/keys/loadKeyRings.ts'
import { Secret } from '../../src/secret.ts'
import { aRing } from './ring.ts'

const KEY = Buffer.alloc(32, 1).toString('base64url')

describe('parseKeyRing', () => {
  it('takes the first key as the current one and keeps all', () => {
    const ring = parseKeyRing(`new:${KEY}, old:${Buffer.alloc(32, 2).toString('base64url')}`, 'X')
    expect(ring.currentId).toBe('new')
    expect([...ring.keys.keys()]).toEqual(['new', 'old'])
    expect(parseKeyRing(formatKeyRing(ring), 'X')).toEqual(ring)
  })

  it.each([
    ['nothing', ''],
    ['no key id', KEY],
    ['a short key', 'k1:AAAA'],
    ['a key with bits too many', `k1:${KEY.slice(0, -1)}F`],
    ['a key id with a dot', `k.1:${KEY}`],
    ['a trailing comma', `k1:${KEY},`],
    ['a key id twice', `k1:${KEY},k1:${KEY}`],
  ])('refuses %s, naming where it came from and not what it holds', (_, text) => {
    const parse = () => parseKeyRing(text, 'LATCHKEY_SIGNING_KEYS')
    expect(parse).toThrow(/^LATCHKEY_SIGNING_KEYS /)
    expect(parse).not.toThrow(KEY.slice(0, 8))
  })
})

describe('loadKeyRings', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'latchkey-keys-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('makes keys on a loopback address and finds them again', async () => {
    const made = await loadKeyRings({ isLoopback: true, directory })
    expect(await loadKeyRings({ isLoopback: true, directory })).toEqual(made)
    expect(formatKeyRing(made.signing)).not.toBe(formatKeyRing(made.encryption))
  })

  it('keeps them in one file that nobody else may read', async () => {
    await loadKeyRings({ isLoopback: true, directory })
    expect(await readdir(directory)).toEqual(['latchkey.keys.json'])
    expect((await stat(join(directory, 'latchkey.keys.json'))).mode & 0o777).toBe(0o600)
  })

  it('gives all of many concurrent starts the same keys', async () => {
    const starts = await Promise.all(Array.from({ length: 50 }, () => loadKeyRings({ isLoopback: true, directory })))
    expect(new Set(starts.map(({ signing }) => formatKeyRing(signing))).size).toBe(1)
    expect(await readdir(directory)).toHaveLength(1)
  })

  it('refuses a key file that others can read', async () => {
    await loadKeyRings({ isLoopback: true, directory })
    await chmod(join(directory, 'latchkey.keys.json'), 0o644)
    await expect(loadKeyRings({ isLoopback: true, directory })).rejects.toThrow(/chmod 600/)
  })

  it('refuses a damaged key file and leaves it as it is', async () => {
    const path = join(directory, 'latchkey.keys.json')
    await writeFile(path, '{"encryption": "hunter2', { mode: 0o600 })
    const error: unknown = await loadKeyRings({ isLoopback: true, directory }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringContaining(path) })
    expect(inspect(error)).not.toContain('hunter2')
    expect(await readFile(path, 'utf8')).toBe('{"encryption": "hunter2')
  })

  it('makes no keys on any other address and says which are missing', async () => {
    const signingKeys = new Secret(`k1:${KEY}`)
    await expect(loadKeyRings({ isLoopback: false, directory })).rejects.toThrow(
      /LATCHKEY_ENCRYPTION_KEYS and LATCHKEY_SIGNING_KEYS/,
    )
    await expect(loadKeyRings({ isLoopback: false, directory, signingKeys })).rejects.toThrow(
      /^LATCHKEY_ENCRYPTION_KEYS must be set/,
    )
    expect(await readdir(directory)).toEqual([])
  })

  it('prefers the keys that it is given', async () => {
    const encryptionKeys = new Secret(formatKeyRing(aRing(['e1', 1])))
    const signingKeys = new Secret(formatKeyRing(aRing(['s1', 2])))
    const rings = await loadKeyRings({ isLoopback: false, encryptionKeys, signingKeys })
    expect(rings).toEqual({ encryption: aRing(['e1', 1]), signing: aRing(['s1', 2]) })
  })
})
