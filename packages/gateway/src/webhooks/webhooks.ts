import type { WebhookEndpoint } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Clock, Vault, Webhooks } from '../services.ts'
import { newId } from '../store/newId.ts'
import type { Store, StoredWebhookEndpoint } from '../store/store.ts'
import { newSigningSecret, openSecrets, rotated, sealSecrets } from './signingSecrets.ts'

export interface WebhooksOptions {
  readonly store: Pick<Store, 'webhooks' | 'transaction'>
  readonly vault: Vault
  readonly clock: Clock
  /** Throws GatewayError where the gateway would not connect to. */
  readonly checkUrl: (url: string) => unknown
  /** Called when there may be something to send. */
  readonly wake: () => void
}

/** Each costs a row for every event. */
const MAX_ENDPOINTS = 50

/** The webhook endpoints, and the log of what was sent to them. */
export function createWebhooks({ store, vault, clock, checkUrl, wake }: WebhooksOptions): Webhooks {
  const now = () => new Date(clock())

  return {
    async create({ url, description }) {
      check(url)
      const secret = newSigningSecret()
      const endpoint = newEndpoint({ id: newId('whk'), url, description, source: 'api', now: now() })
      const sealedSecrets = sealSecrets(vault, endpoint, [{ value: secret, expiresAt: undefined }])
      await store.transaction(async (inner) => {
        if ((await inner.webhooks.list()).length >= MAX_ENDPOINTS) throw tooMany()
        await inner.webhooks.insert({ ...endpoint, sealedSecrets })
      })
      return { endpoint, secret }
    },

    list: async () => (await store.webhooks.list()).map(withoutSecrets),

    require: async (id) => withoutSecrets(await find(id)),

    async update(id, { url, description, enabled }) {
      const endpoint = await findOwn(id)
      if (url !== undefined) check(url)
      await store.webhooks.update(id, {
        ...(url !== undefined && { url }),
        ...(description !== undefined && { description: description === '' ? undefined : description }),
        ...(enabled === true && { disabledReason: undefined, failingSince: undefined }),
        ...(enabled === false && { disabledReason: endpoint.disabledReason ?? 'requested' }),
        updatedAt: now(),
      })
      wake()
      return withoutSecrets(await find(id))
    },

    async delete(id) {
      const endpoint = await find(id)
      if (endpoint.disabledReason !== 'removed') refuseConfigured(endpoint)
      await store.webhooks.delete(id)
    },

    async rotateSecret(id, overlapMs) {
      const endpoint = await findOwn(id)
      const secret = newSigningSecret()
      const expiresAt = clock() + overlapMs
      const secrets = rotated(openSecrets(vault, endpoint), secret, { now: clock(), expiresAt })
      const sealed = sealSecrets(vault, { id, generation: endpoint.generation + 1 }, secrets)
      if (!(await store.webhooks.setSecrets(endpoint, sealed, now()))) {
        throw new GatewayError('conflict', 'The webhook was changed at the same moment. Try again.')
      }
      return { secret, previousExpiresAt: new Date(expiresAt) }
    },

    async deliveries(id, query) {
      await find(id)
      return await store.webhooks.deliveries({ ...query, endpointId: id })
    },

    async requireDelivery(id, eventId) {
      await find(id)
      const delivery = await store.webhooks.delivery(id, eventId)
      if (delivery === undefined) throw noDelivery()
      return delivery
    },

    async replay(id, eventId) {
      refuseDisabled(await find(id))
      if (!(await store.webhooks.replay(id, eventId, now()))) throw noDelivery()
      wake()
      const delivery = await store.webhooks.delivery(id, eventId)
      if (delivery === undefined) throw noDelivery()
      return delivery
    },

    async replaySince(id, { since, includeDelivered }) {
      refuseDisabled(await find(id))
      const count = await store.transaction((inner) =>
        inner.webhooks.replaySince(id, { since, includeDelivered, at: now() }),
      )
      wake()
      return count
    },
  }

  async function find(id: string): Promise<StoredWebhookEndpoint> {
    const endpoint = await store.webhooks.get(id)
    if (endpoint !== undefined) return endpoint
    throw new GatewayError('not_found', 'There is no webhook with this id.')
  }

  async function findOwn(id: string): Promise<StoredWebhookEndpoint> {
    const endpoint = await find(id)
    refuseConfigured(endpoint)
    return endpoint
  }

  function check(url: string): void {
    try {
      checkUrl(url)
    } catch (error) {
      const reason = error instanceof GatewayError ? error.message : 'is not a URL'
      throw new GatewayError('invalid_request', `url: ${reason}`)
    }
  }
}

export interface NewEndpoint {
  readonly id: string
  readonly url: string
  readonly description: string | undefined
  readonly source: WebhookEndpoint['source']
  readonly now: Date
}

export function newEndpoint({ now, ...given }: NewEndpoint): WebhookEndpoint {
  return {
    ...given,
    disabledReason: undefined,
    generation: 1,
    failingSince: undefined,
    createdAt: now,
    updatedAt: now,
  }
}

function withoutSecrets({ sealedSecrets: _sealed, ...endpoint }: StoredWebhookEndpoint): WebhookEndpoint {
  return endpoint
}

function refuseConfigured({ source }: WebhookEndpoint): void {
  if (source === 'api') return
  throw new GatewayError('precondition', "This webhook is in the gateway's configuration. Change it there.")
}

function refuseDisabled({ disabledReason }: WebhookEndpoint): void {
  if (disabledReason === undefined) return
  throw new GatewayError('precondition', 'This webhook is disabled. Enable it first.')
}

function tooMany(): GatewayError {
  return new GatewayError('precondition', `There are ${MAX_ENDPOINTS} webhooks already. Delete one that is not used.`)
}

function noDelivery(): GatewayError {
  return new GatewayError('not_found', 'There is no delivery of this event to this webhook.')
}
