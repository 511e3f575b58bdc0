import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../secret.ts'
import type { Clock, Vault } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store, StoredWebhookEndpoint } from '../store/store.ts'
import { openSecrets, rotated, sealSecrets } from './signingSecrets.ts'
import { newEndpoint } from './webhooks.ts'

/** A webhook endpoint of the configuration. Its URL is what it is known by. */
export interface WebhookDefinition {
  readonly url: string
  readonly secret: Secret
}

export interface SyncWebhooksOptions {
  readonly store: Pick<Store, 'transaction'>
  readonly vault: Vault
  readonly definitions: readonly WebhookDefinition[]
  readonly clock: Clock
}

/** How long the secret that the configuration had before goes on signing, so that both sides need not change at once. */
const OVERLAP_MS = 24 * 60 * 60 * 1000

/**
 * Brings the endpoints that come from the configuration to what it says now. They are enabled again by this, whatever
 * they were disabled for; those that it does not name any more are disabled, and keep their log.
 */
export async function syncWebhooks({ store, vault, definitions, clock }: SyncWebhooksOptions): Promise<void> {
  await store.transaction(async (inner) => {
    const existing = (await inner.webhooks.list()).filter(({ source }) => source === 'configuration')
    for (const definition of definitions) {
      const endpoint = existing.find(({ url }) => url === definition.url)
      if (endpoint === undefined) await insert(inner, definition)
      else await update(inner, endpoint, definition)
    }
    for (const { id, url, disabledReason } of existing) {
      if (disabledReason === 'removed' || definitions.some((definition) => definition.url === url)) continue
      await inner.webhooks.update(id, { disabledReason: 'removed', updatedAt: new Date(clock()) })
    }
  })

  async function insert(inner: Store, { url, secret }: WebhookDefinition): Promise<void> {
    const source = 'configuration'
    const endpoint = newEndpoint({ id: newId('whk'), url, description: undefined, source, now: new Date(clock()) })
    const sealedSecrets = sealSecrets(vault, endpoint, [{ value: secret, expiresAt: undefined }])
    await inner.webhooks.insert({ ...endpoint, sealedSecrets })
  }

  async function update(inner: Store, endpoint: StoredWebhookEndpoint, { secret }: WebhookDefinition): Promise<void> {
    const now = new Date(clock())
    if (endpoint.disabledReason !== undefined) {
      await inner.webhooks.update(endpoint.id, { disabledReason: undefined, failingSince: undefined, updatedAt: now })
    }
    const secrets = openSecrets(vault, endpoint)
    if (isSame(secrets[0]?.value, secret)) return
    const next = rotated(secrets, secret, { now: clock(), expiresAt: clock() + OVERLAP_MS })
    const place = { id: endpoint.id, generation: endpoint.generation + 1 }
    await inner.webhooks.setSecrets(endpoint, sealSecrets(vault, place, next), now)
  }
}

function isSame(a: Secret | undefined, b: Secret): boolean {
  return a !== undefined && timingSafeEqual(digest(a), digest(b))
}

function digest(secret: Secret): Buffer {
  return createHash('sha256').update(secret.reveal()).digest()
}
