import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { GatewayError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { formatKeyRing, parseKeyRing, type KeyRing } from './keyRing.ts'
import { newRing, withNewKey } from './newRing.ts'

export interface KeyRings {
  /** Seals credentials. */
  readonly encryption: KeyRing
  /** Derives URL secrets and signs tokens. */
  readonly signing: KeyRing
}

export interface LoadKeyRingsOptions {
  readonly encryptionKeys?: Secret | undefined
  readonly signingKeys?: Secret | undefined
  /** Whether the public URL is a loopback address: only there may the gateway make its own keys. */
  readonly isLoopback: boolean
  /** Where made keys are kept; without one they end with the process. */
  readonly directory?: string | undefined
}

/** Beside the database. */
export const KEY_FILE_NAME = 'latchkey.keys.json'
const fileSchema = z.object({ encryption: z.string(), signing: z.string() })

/**
 * The key rings of the configuration. On a loopback address, and only there, missing ones are made on the first start
 * and kept in `latchkey.keys.json` beside the database, for nobody else to read.
 *
 * @throws GatewayError `configuration` if a ring is missing or malformed, or the file is open to others.
 */
export async function loadKeyRings(options: LoadKeyRingsOptions): Promise<KeyRings> {
  const { encryption, signing } = givenRings(options)
  if (encryption !== undefined && signing !== undefined) return { encryption, signing }
  if (!options.isLoopback) throw missing(encryption === undefined, signing === undefined)
  const made = options.directory === undefined ? makeRings() : await keptRings(options.directory)
  return { encryption: encryption ?? made.encryption, signing: signing ?? made.signing }
}

/**
 * The rings that the configuration gives, of which either may be missing.
 *
 * @throws GatewayError `configuration` if one is malformed.
 */
export function givenRings({
  encryptionKeys,
  signingKeys,
}: Pick<LoadKeyRingsOptions, 'encryptionKeys' | 'signingKeys'>) {
  return {
    encryption: given(encryptionKeys, 'LATCHKEY_ENCRYPTION_KEYS'),
    signing: given(signingKeys, 'LATCHKEY_SIGNING_KEYS'),
  }
}

/**
 * Puts a new key first in the file of the keys that the gateway made for itself. A gateway that runs goes on with what it
 * has until it is started again.
 *
 * @returns the id of the new key.
 * @throws GatewayError `configuration` if there is no such file.
 */
export async function rotateKeyFile({ directory }: LoadKeyRingsOptions, ring: keyof KeyRings): Promise<string> {
  const path = directory === undefined ? undefined : join(directory, KEY_FILE_NAME)
  const rings = path === undefined ? undefined : await readRings(path)
  if (path === undefined || rings === undefined) throw missing(ring === 'encryption', ring === 'signing')
  const rotated = { ...rings, [ring]: withNewKey(rings[ring]) }
  await rename(await writeDraft(path, rotated), path)
  return rotated[ring].currentId
}

function given(keys: Secret | undefined, name: string): KeyRing | undefined {
  return keys && parseKeyRing(keys.reveal(), name)
}

function missing(encryption: boolean, signing: boolean): GatewayError {
  const names = [encryption && 'LATCHKEY_ENCRYPTION_KEYS', signing && 'LATCHKEY_SIGNING_KEYS'].filter(Boolean)
  return new GatewayError(
    'configuration',
    `${names.join(' and ')} must be set when the public URL is not a loopback address or the database is Postgres ` +
      '(or encryptionKeys and signingKeys in the configuration). Make a key with: ' +
      `node -p "'k1:' + crypto.randomBytes(32).toString('base64url')"`,
  )
}

function makeRings(): KeyRings {
  return { encryption: newRing(), signing: newRing() }
}

async function keptRings(directory: string): Promise<KeyRings> {
  const path = join(directory, KEY_FILE_NAME)
  return (await readRings(path)) ?? (await writeRings(directory, path))
}

async function readRings(path: string): Promise<KeyRings | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new GatewayError('configuration', `The key file ${path} cannot be read.`, { cause: error })
  })
  if (text === undefined) return undefined
  await refuseOpenFile(path)
  const { encryption, signing } = parseFile(text, path)
  return {
    encryption: parseKeyRing(encryption, `${path} "encryption"`),
    signing: parseKeyRing(signing, `${path} "signing"`),
  }
}

async function refuseOpenFile(path: string): Promise<void> {
  const { mode } = await stat(path)
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  throw new GatewayError(
    'configuration',
    `The key file ${path} can be read by others. Close it with: chmod 600 ${path}`,
  )
}

function parseFile(text: string, path: string): z.infer<typeof fileSchema> {
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch {
    // Without the cause: it would quote the file.
    throw new GatewayError(
      'configuration',
      `The key file ${path} is damaged. Restore it from a backup; without it, stored credentials cannot be opened.`,
    )
  }
}

/** Written whole and then linked into place, which fails if somebody was faster: so all processes read one file. */
async function writeRings(directory: string, path: string): Promise<KeyRings> {
  const rings = makeRings()
  await mkdir(directory, { recursive: true })
  const draft = await writeDraft(path, rings)
  try {
    await link(draft, path)
    return rings
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    return (await readRings(path)) ?? rings
  } finally {
    await rm(draft)
  }
}

async function writeDraft(path: string, { encryption, signing }: KeyRings): Promise<string> {
  const text = JSON.stringify({ encryption: formatKeyRing(encryption), signing: formatKeyRing(signing) })
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  await writeFile(draft, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true })
  return draft
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
