import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { Secret } from '../secret.ts'
import type { Vault } from '../services.ts'
import type { StoredWebhookEndpoint } from '../store/store.ts'

/** What an endpoint's requests are signed with: the current secret first, then those that it replaced lately. */
export interface SigningSecret {
  readonly value: Secret
  /** Milliseconds since the epoch. Undefined for the current one. */
  readonly expiresAt: number | undefined
}

const SECRET_BYTES = 32
/** However often somebody rotates: each costs a signature and a few bytes of a header. */
const MAX_SECRETS = 4

/** `whsec_` and 256 random bits in base64, as Standard Webhooks spells a secret. */
export function newSigningSecret(): Secret {
  return new Secret(`whsec_${randomBytes(SECRET_BYTES).toString('base64')}`)
}

/** The secrets after a new one has come: what it replaces goes on signing until `expiresAt`. */
export function rotated(
  secrets: readonly SigningSecret[],
  value: Secret,
  { now, expiresAt }: { readonly now: number; readonly expiresAt: number },
): readonly SigningSecret[] {
  const former = secrets.map((secret) => ({
    value: secret.value,
    expiresAt: Math.min(secret.expiresAt ?? expiresAt, expiresAt),
  }))
  return [{ value, expiresAt: undefined }, ...former.filter((secret) => isGood(secret, now))].slice(0, MAX_SECRETS)
}

/**
 * The value of the `webhook-signature` header: one signature for each secret that is good at this moment, so that a
 * receiver may know the old one or the new one.
 */
export function sign(
  secrets: readonly SigningSecret[],
  { id, at, body }: { readonly id: string; readonly at: Date; readonly body: string },
): string {
  return secrets
    .filter((secret) => isGood(secret, at.getTime()))
    .map(({ value }) => new Webhook(value.reveal()).sign(id, at, body))
    .join(' ')
}

export function sealSecrets(vault: Vault, { id, generation }: Place, secrets: readonly SigningSecret[]): Uint8Array {
  const plain = secrets.map(({ value, expiresAt }) => ({ value: value.reveal(), expiresAt }))
  return vault.seal(JSON.stringify(plain), context({ id, generation }))
}

/** Throws GatewayError `internal` if the bytes are not what was sealed for exactly this endpoint and generation. */
export function openSecrets(vault: Vault, endpoint: StoredWebhookEndpoint): readonly SigningSecret[] {
  const plain: readonly { value: string; expiresAt?: number }[] = JSON.parse(
    vault.open(endpoint.sealedSecrets, context(endpoint)),
  )
  return plain.map(({ value, expiresAt }) => ({ value: new Secret(value), expiresAt }))
}

type Place = Pick<StoredWebhookEndpoint, 'id' | 'generation'>

function context({ id, generation }: Place): readonly string[] {
  return ['webhook_endpoints', id, 'sealed_secrets', String(generation)]
}

function isGood({ expiresAt }: SigningSecret, now: number): boolean {
  return expiresAt === undefined || expiresAt > now
}
