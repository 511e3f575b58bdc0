import type { AccountEvent } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { Clock, EventLog, GuardedFetch, Vault, Webhooks } from '../services.ts'
import type { Store } from '../store/store.ts'
import { syncWebhooks, type WebhookDefinition } from './syncWebhooks.ts'
import { createWebhooks } from './webhooks.ts'
import { createWebhookWorker, type WebhookWorkerOptions } from './worker.ts'

export interface WebhookRoomOptions extends Pick<
  WebhookWorkerOptions,
  'random' | 'timeoutMs' | 'pollMs' | 'drainMs' | 'concurrency'
> {
  readonly store: Store
  readonly vault: Vault
  readonly fetch: GuardedFetch
  readonly events: Pick<EventLog, 'subscribe'>
  /** What is sent for an event, as plain JSON; undefined if it cannot be told any more. */
  readonly statusEvents: (event: AccountEvent) => object | undefined
  /** The endpoints of the configuration. */
  readonly webhooks: readonly WebhookDefinition[]
  /** Throws GatewayError where the gateway would not connect to. */
  readonly checkUrl: (url: string) => unknown
  readonly clock: Clock
  readonly log: LogSink
}

export interface WebhookRoom extends Webhooks {
  close(): Promise<void>
}

/** Brings the endpoints to what the configuration says, and begins to send. */
export async function createWebhookRoom(options: WebhookRoomOptions): Promise<WebhookRoom> {
  const { store, vault, clock, checkUrl, events, statusEvents } = options
  await syncWebhooks({ store, vault, clock, definitions: options.webhooks })
  const worker = createWebhookWorker({
    ...options,
    body: (event) => {
      const told = statusEvents(event)
      return told && JSON.stringify(told)
    },
  })
  const unsubscribe = events.subscribe(worker.wake)
  worker.wake()
  return {
    ...createWebhooks({ store, vault, clock, checkUrl, wake: worker.wake }),
    close: async () => {
      unsubscribe()
      await worker.close()
    },
  }
}
