import { createHmac, randomBytes } from 'node:crypto'
import { createLatchkey } from './createLatchkey.ts'
import type { Latchkey } from './latchkey.ts'
import { ENVIRONMENT_VARIABLES, type LatchkeyOptions } from './latchkeyOptions.ts'

const shared = new Map<string, Latchkey>()
const identities = new WeakMap<object, number>()
let lastIdentity = 0
/** Of this process only, so that a secret is not kept as the key of a map. */
const digestKey = randomBytes(32)

/**
 * The Latchkey for these options: the same one for the same options, so that calls that name no Latchkey share sessions
 * and sockets. It lives as long as the process, or until it is closed; the next call then makes a new one. Options that
 * are objects or functions count as the same if they are identical.
 *
 * @throws {TypeError} as `createLatchkey`.
 */
export function sharedLatchkey(options: LatchkeyOptions = {}): Latchkey {
  const key = keyOf(options)
  const kept = shared.get(key)
  if (kept) return kept
  const latchkey = createLatchkey(options)
  const close = latchkey.close.bind(latchkey)
  latchkey.close = () => {
    if (shared.get(key) === latchkey) shared.delete(key)
    return close()
  }
  shared.set(key, latchkey)
  return latchkey
}

/** What names the control plane, of all the options of a function that gets one user's tools. */
export type ControlPlaneOptions = Pick<LatchkeyOptions, 'backend' | 'url' | 'clientId' | 'clientSecret' | 'startUrl'>

/**
 * The shared Latchkey of these options, whatever else is in them: a new callback on every call would else make a new
 * Latchkey on every call. For whoever writes an adapter.
 */
export function sharedLatchkeyOf(options: ControlPlaneOptions): Latchkey {
  const { backend, url, clientId, clientSecret, startUrl } = options
  return sharedLatchkey({ backend, url, clientId, clientSecret, startUrl })
}

function keyOf(options: LatchkeyOptions): string {
  const { env = process.env } = options
  const given = Object.entries(options)
    .filter(([name, value]) => name !== 'env' && value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [
      name,
      typeof value === 'object' || typeof value === 'function' ? identityOf(value) : value,
    ])
  const text = JSON.stringify([given, ENVIRONMENT_VARIABLES.map((name) => env[name] ?? null)])
  return createHmac('sha256', digestKey).update(text).digest('base64url')
}

function identityOf(value: object): number {
  const identity = identities.get(value) ?? ++lastIdentity
  identities.set(value, identity)
  return identity
}
