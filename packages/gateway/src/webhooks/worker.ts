import { randomUUID } from 'node:crypto'
import type { AccountEvent, WebhookAttempt, WebhookDisabledReason } from '../domain.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { Clock, GuardedFetch, Vault } from '../services.ts'
import type { ClaimedDelivery, DeliveryResult, Store, StoredWebhookEndpoint } from '../store/store.ts'
import { retryDelay } from './retryDelay.ts'
import { sendWebhook, type WebhookOutcome } from './sendWebhook.ts'
import { openSecrets } from './signingSecrets.ts'

export interface WebhookWorkerOptions {
  readonly store: Pick<Store, 'webhooks'>
  readonly vault: Vault
  readonly fetch: GuardedFetch
  /** The body for an event; undefined if it cannot be told any more. */
  readonly body: (event: AccountEvent) => string | undefined
  readonly clock: Clock
  readonly log: LogSink
  /** A number from 0 to 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
  /** How long a receiver may take, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined
  /** How often to look without being woken, in milliseconds. Default: 30,000. */
  readonly pollMs?: number | undefined
  /** How long `close` waits for answers, in milliseconds. Default: 2,000. */
  readonly drainMs?: number | undefined
  /** How many requests one endpoint gets at the same time. Default: 4. */
  readonly concurrency?: number | undefined
}

export interface WebhookWorker {
  /** There may be something to send. */
  readonly wake: () => void
  /** Takes nothing new, and lets what is under way end. */
  readonly close: () => Promise<void>
}

const TIMEOUT_MS = 10_000
const POLL_MS = 30_000
const CONCURRENCY = 4
/** Longer than an attempt can take: whose claim has run out is not alive any more. */
const CLAIM_MS = 60_000
const DRAIN_MS = 2_000
const AGAIN_SOON_MS = 5_000
/** An endpoint that has answered nothing with 2xx for so long is disabled. */
const DISABLE_AFTER_MS = 5 * 24 * 60 * 60 * 1000
const KEPT_ATTEMPTS = 20

/**
 * Sends what is queued. Several processes may do so on one database: a delivery is claimed before it is sent, and what
 * a dead process had claimed is due again when the claim has run out. So each event arrives at least once.
 */
export function createWebhookWorker(options: WebhookWorkerOptions): WebhookWorker {
  const { store, clock, pollMs = POLL_MS, drainMs = DRAIN_MS, concurrency = CONCURRENCY } = options
  /** Nothing new is taken; later, what is under way is given up. */
  const drain = new AbortController()
  const closing = new AbortController()
  const underWay = new Map<string, Set<Promise<void>>>()
  let passing: Promise<void> | undefined
  let again = false
  let timer: NodeJS.Timeout | undefined

  function wake(): void {
    again = true
    if (drain.signal.aborted || passing !== undefined) return
    passing = passes().finally(() => {
      passing = undefined
      if (again) wake()
    })
  }

  async function passes(): Promise<void> {
    let next = clock() + pollMs
    while (again && !drain.signal.aborted) {
      again = false
      // A store that fails now is asked again at the next poll.
      next = await pass().catch(() => clock() + pollMs)
    }
    clearTimeout(timer)
    if (!drain.signal.aborted) timer = setTimeout(wake, Math.min(pollMs, Math.max(0, next - clock()))).unref()
  }

  /** Starts whatever is due; gives when the next is. */
  async function pass(): Promise<number> {
    let next = clock() + pollMs
    for (const endpoint of await store.webhooks.list()) {
      if (endpoint.disabledReason !== undefined) continue
      const due = await startDue(endpoint)
      next = Math.min(next, due?.getTime() ?? next)
    }
    return next
  }

  /** Gives when to come back; undefined where the end of a delivery wakes us anyway. */
  async function startDue(endpoint: StoredWebhookEndpoint): Promise<Date | undefined> {
    const free = concurrency - (underWay.get(endpoint.id)?.size ?? 0)
    if (free <= 0) return undefined
    const due = await store.webhooks.nextDue(endpoint.id)
    const now = clock()
    if (due === undefined || due.getTime() > now) return due
    const claim = randomUUID()
    const times = { now: new Date(now), until: new Date(now + CLAIM_MS) }
    const claimed = await store.webhooks.claim({ endpointId: endpoint.id, claim, ...times, limit: free })
    for (const one of claimed) start(endpoint, claim, one)
    return claimed.length < free ? await store.webhooks.nextDue(endpoint.id) : undefined
  }

  function start(endpoint: StoredWebhookEndpoint, claim: string, claimed: ClaimedDelivery): void {
    const running = underWay.get(endpoint.id) ?? new Set()
    underWay.set(endpoint.id, running)
    // What cannot be noted is due again when the claim has run out.
    const delivery = deliver({ ...options, signal: closing.signal }, { endpoint, claim, claimed })
      .catch(() => undefined)
      .finally(() => {
        running.delete(delivery)
        if (running.size === 0) underWay.delete(endpoint.id)
        wake()
      })
    running.add(delivery)
  }

  async function close(): Promise<void> {
    drain.abort()
    clearTimeout(timer)
    await passing
    const impatience = setTimeout(() => closing.abort(new Error('closing')), drainMs)
    await Promise.all(Array.from(underWay.values(), async (running) => await Promise.all(running)))
    clearTimeout(impatience)
  }

  return { wake, close }
}

interface Work {
  readonly endpoint: StoredWebhookEndpoint
  readonly claim: string
  readonly claimed: ClaimedDelivery
}

type DeliverOptions = WebhookWorkerOptions & { readonly signal: AbortSignal }

async function deliver(options: DeliverOptions, { endpoint, claim, claimed }: Work): Promise<void> {
  const { store, vault, fetch, clock, signal, timeoutMs = TIMEOUT_MS } = options
  const { delivery, event } = claimed
  const key = { endpointId: endpoint.id, eventId: delivery.eventId, claim }
  const body = event && options.body(event)
  if (body === undefined) return void (await store.webhooks.finish(key, untellable(claimed, clock())))
  const secrets = openSecrets(vault, endpoint)
  const request = { endpointId: endpoint.id, url: endpoint.url, id: delivery.eventId, body, secrets }
  const outcome = await sendWebhook(fetch, { ...request, at: new Date(clock()), timeoutMs, signal })
  await store.webhooks.finish(key, resultOf(outcome, claimed, options))
  await noteHealth(options, endpoint, outcome)
}

function resultOf(
  outcome: WebhookOutcome,
  { delivery }: ClaimedDelivery,
  { clock, random = Math.random }: Pick<WebhookWorkerOptions, 'clock' | 'random'>,
): DeliveryResult {
  const attemptLog = logged(delivery.attemptLog, outcome.attempt)
  const attempts = delivery.attempts + 1
  const { kind, retryAfterMs } = outcome
  if (kind === 'delivered') return { status: 'delivered', attempts, attemptLog, nextAttemptAt: undefined }
  if (kind === 'interrupted') {
    const nextAttemptAt = new Date(clock() + AGAIN_SOON_MS)
    return { status: 'pending', attempts: delivery.attempts, attemptLog, nextAttemptAt }
  }
  const delay = kind === 'gone' ? undefined : retryDelay({ attempts, retryAfterMs, random: random() })
  if (delay === undefined) return { status: 'failed', attempts, attemptLog, nextAttemptAt: undefined }
  return { status: 'pending', attempts, attemptLog, nextAttemptAt: new Date(clock() + delay) }
}

function untellable({ delivery, event }: ClaimedDelivery, at: number): DeliveryResult {
  const error =
    event === undefined
      ? 'The event is not kept any more.'
      : 'The configuration does not name the connection of the event any more.'
  const attemptLog = logged(delivery.attemptLog, { at, durationMs: 0, responseStatus: undefined, error })
  return { status: 'failed', attempts: delivery.attempts, attemptLog, nextAttemptAt: undefined }
}

function logged(log: readonly WebhookAttempt[], attempt: WebhookAttempt): readonly WebhookAttempt[] {
  return [...log, attempt].slice(-KEPT_ATTEMPTS)
}

/** Remembers since when nothing arrives, and disables an endpoint that is gone or has failed for days. */
async function noteHealth(
  { store, clock, log }: DeliverOptions,
  { id }: StoredWebhookEndpoint,
  { kind }: WebhookOutcome,
): Promise<void> {
  const endpoint = await store.webhooks.get(id)
  if (endpoint === undefined || kind === 'interrupted') return
  const updatedAt = new Date(clock())
  if (kind === 'delivered') {
    if (endpoint.failingSince !== undefined) await store.webhooks.update(id, { failingSince: undefined, updatedAt })
    return
  }
  const failingSince = endpoint.failingSince ?? updatedAt
  const disabledReason = endpoint.disabledReason ?? reasonToDisable(kind, clock() - failingSince.getTime())
  await store.webhooks.update(id, { failingSince, disabledReason, updatedAt })
  if (disabledReason === undefined || endpoint.disabledReason !== undefined) return
  const time = updatedAt.toISOString()
  log({ time, level: 'warn', message: 'webhook endpoint disabled', webhookId: id, reason: disabledReason })
}

function reasonToDisable(kind: WebhookOutcome['kind'], failingForMs: number): WebhookDisabledReason | undefined {
  if (kind === 'gone') return 'gone'
  return failingForMs >= DISABLE_AFTER_MS ? 'failing' : undefined
}
