import { randomBytes } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { KEY_BYTES, type KeyRing } from '../keys/keyRing.ts'
import type { Clock } from '../services.ts'
import type { RingKey, RingKeyStore, RingName } from '../store/store.ts'
import { proofOf } from './checkKeys.ts'
import type { KeyManagementService } from './keyManagement.ts'

export interface ManagedKeysOptions {
  readonly ringKeys: RingKeyStore
  readonly service: KeyManagementService
  readonly clock: Clock
}

/** A ring that learns of keys which were made after it was loaded. */
export interface ManagedRing extends KeyRing {
  reload(): Promise<void>
}

/** Keys that the configuration gives beside the service: those of the time before it, as old ones. */
export type GivenRings = { readonly [Ring in RingName]: KeyRing | undefined }

/** How long all gateways have to learn of a new key before it is used. Those that run look once a minute. */
const ENCRYPTION_NOTICE_MS = 10 * 60_000
/** Signing keys are read at the start only: within this time every gateway has to be started again. */
const SIGNING_NOTICE_MS = 24 * 60 * 60_000

/**
 * The rings whose keys lie in the database, encrypted by a key management service. The first gateway on a database makes
 * the first keys; of several at once, one.
 *
 * @throws GatewayError `configuration` if the service does not give the keys; then none has been made.
 */
export async function loadManagedRings(
  options: ManagedKeysOptions,
  given: GivenRings,
): Promise<Record<RingName, ManagedRing>> {
  const encryption = await firstKey(options, 'encryption', given.encryption)
  const signing = await firstKey(options, 'signing', given.signing)
  for (const key of [encryption, signing]) if (key !== undefined) await options.ringKeys.insert(key)
  return {
    encryption: await loadRing(options, 'encryption', given.encryption),
    signing: await loadRing(options, 'signing', given.signing),
  }
}

/**
 * Makes a new key of a ring, which becomes the current one after a while: 10 minutes for encryption; a day for signing,
 * within which every gateway has to be started again.
 *
 * @throws GatewayError `conflict` if another one was made at the same moment, `configuration` if the service fails.
 */
export async function addManagedKey(
  options: ManagedKeysOptions,
  ring: RingName,
): Promise<Pick<RingKey, 'keyId' | 'currentFrom'>> {
  const noticeMs = ring === 'encryption' ? ENCRYPTION_NOTICE_MS : SIGNING_NOTICE_MS
  const known = await options.ringKeys.list(ring)
  const key = await makeKey(options, ring, nextId(known), new Date(options.clock() + noticeMs))
  if (await options.ringKeys.insert(key)) return key
  throw new GatewayError('conflict', `The key "${key.keyId}" was made at the same moment by somebody else.`)
}

/** The key that an empty ring begins with. */
async function firstKey(options: ManagedKeysOptions, ring: RingName, given: KeyRing | undefined) {
  const known = await options.ringKeys.list(ring)
  for (const { keyId, wrappedKey, retiredAt } of known) {
    if (wrappedKey !== undefined || retiredAt !== undefined || given?.keys.has(keyId)) continue
    throw new GatewayError(
      'configuration',
      `This database was used with the ${ring} key "${keyId}" before there was a key management service. Give that key ` +
        'as before: it stays as an old one until nothing needs it.',
    )
  }
  const isManaged = known.some(({ wrappedKey, retiredAt }) => wrappedKey !== undefined && retiredAt === undefined)
  return isManaged ? undefined : await makeKey(options, ring, nextId(known), new Date(options.clock()))
}

async function makeKey({ service, clock }: ManagedKeysOptions, ring: RingName, keyId: string, currentFrom: Date) {
  const key = new Uint8Array(randomBytes(KEY_BYTES))
  const wrappedKey = await asking(() => service.encrypt(key, contextOf(ring, keyId)))
  const proof = proofOf(ring, { currentId: keyId, keys: new Map([[keyId, key]]) })
  return { ring, keyId, proof, wrappedKey, currentFrom, seenAt: new Date(clock()) }
}

async function loadRing(options: ManagedKeysOptions, ring: RingName, given: KeyRing | undefined): Promise<ManagedRing> {
  const { ringKeys, service, clock } = options
  const keys = new Map(given?.keys)
  let managed: readonly RingKey[] = []

  async function reload(): Promise<void> {
    const known = await ringKeys.list(ring)
    for (const { keyId, wrappedKey, retiredAt } of known) {
      if (wrappedKey === undefined || retiredAt !== undefined || keys.has(keyId)) continue
      keys.set(keyId, await unwrap(service, ring, keyId, wrappedKey))
    }
    managed = known.filter(({ keyId, wrappedKey }) => wrappedKey !== undefined && keys.has(keyId))
  }

  await reload()
  return {
    keys,
    reload,
    get currentId() {
      const now = clock()
      // Where the clocks differ, the first key may seem not to have begun.
      const current = managed.findLast(({ currentFrom }) => currentFrom.getTime() <= now) ?? managed[0]
      return current?.keyId ?? ''
    },
  }
}

async function unwrap(
  service: KeyManagementService,
  ring: RingName,
  keyId: string,
  wrappedKey: Uint8Array,
): Promise<Uint8Array> {
  const key = await asking(() => service.decrypt(wrappedKey, contextOf(ring, keyId)))
  if (key.length === KEY_BYTES) return key
  throw new GatewayError('configuration', `The key management service gave something else than the key "${keyId}".`)
}

/** What the service writes into its own log, and refuses to decrypt without. */
function contextOf(ring: RingName, keyId: string): Record<string, string> {
  return { 'latchkey:ring': ring, 'latchkey:key': keyId }
}

function nextId(known: readonly RingKey[]): string {
  return `kms-${known.filter(({ wrappedKey }) => wrappedKey !== undefined).length + 1}`
}

async function asking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown'
    throw new GatewayError(
      'configuration',
      `The key management service did not answer as it should (${reason}). Without it the gateway has no keys; check ` +
        'keyManagement, the permissions to encrypt and decrypt with that key, and whether the service can be reached.',
      { cause: error },
    )
  }
}
