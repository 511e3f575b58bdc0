import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context, MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import * as z from 'zod'
import type { AuditEntry } from '../domain.ts'
import { GatewayError, type GatewayErrorCode } from '../errors.ts'
import { encodeTuple } from '../keys/encodeTuple.ts'
import { currentRequest } from '../requestScope.ts'
import type { Audit, Clock, Vault } from '../services.ts'
import type { IdempotencyStore } from '../store/store.ts'
import { clientOf } from './clientOf.ts'
import type { RouteDescription } from './openapi/describeRoute.ts'
import { IDEMPOTENCY_KEY } from './openapi/document.ts'
import { pathPattern } from './openapi/pathPattern.ts'

export interface IdempotencyOptions {
  readonly keys: IdempotencyStore
  readonly vault: Vault
  readonly audit: Pick<Audit, 'record'>
  readonly clock: Clock
  readonly routes: readonly RouteDescription[]
}

const MAX_KEY_LENGTH = 255
/** No request takes so long: the process that worked on it has died. */
const ABANDONED_AFTER_MS = 5 * 60 * 1_000
/** How long to wait before an answer that could not be kept is kept once more, in milliseconds. */
const SAVE_AGAIN_AFTER_MS = [50, 500]

/** With these nothing was done, so the same key may be used with a body that is right. */
const NOT_KEPT: ReadonlySet<GatewayErrorCode> = new Set([
  'invalid_request',
  'too_large',
  'method_not_allowed',
  'rate_limited',
])

const answerSchema = z.object({
  request: z.string(),
  status: z.number(),
  type: z.string(),
  body: z.string(),
  /** What the audit log says that was given out with it. */
  issued: z.array(z.custom<AuditEntry>()).default([]),
})
type Answer = z.output<typeof answerSchema>

/**
 * A POST with an `Idempotency-Key` is carried out once: sent again with the same body, within a day at least, it gets
 * the answer of the first time, also where that was an error of the server's. A key belongs to the client, the method
 * and the path. The answer is kept sealed, for it may hold a token or a link; what it gives out again is in the audit
 * log again.
 */
export function idempotency({ keys, vault, audit, clock, routes }: IdempotencyOptions): MiddlewareHandler {
  const repeatable = routes.filter(({ isRepeatable }) => isRepeatable).map(({ path }) => pathPattern(path))
  return async (context, next) => {
    const key = context.req.header(IDEMPOTENCY_KEY)
    if (key === undefined || context.req.method !== 'POST') return await next()
    if (repeatable.some((pattern) => pattern.test(context.req.path))) return await next()
    refuseOddKey(key)
    const { pathname, search } = new URL(context.req.url)
    const keyHash = hashOf(clientOf(context), context.req.method, pathname, search, key)
    const request = hashOf(await context.req.text())
    const claim = { keyHash, claim: randomUUID() }
    const at = new Date(clock())
    const known = await keys.claim({ ...claim, at, abandonedBefore: new Date(at.getTime() - ABANDONED_AFTER_MS) })
    if (known === 'in_progress') throw inProgress()
    if (known !== 'claimed') return await repeat(context, open(known, keyHash), request)
    await carryOut(context, next, claim, request)
  }

  async function carryOut(context: Context, next: () => Promise<void>, claim: Claim, request: string): Promise<void> {
    try {
      await next()
    } catch (error) {
      await keys.release(claim)
      throw error
    }
    if (context.error instanceof GatewayError && NOT_KEPT.has(context.error.code)) return await keys.release(claim)
    const { status, headers } = context.res
    const type = headers.get('Content-Type') ?? 'application/json'
    const issued = status < 400 ? (currentRequest()?.entries ?? []) : []
    const answer: Answer = { request, status, type, body: await context.res.clone().text(), issued: [...issued] }
    await save(claim, vault.seal(JSON.stringify(answer), placeOf(claim.keyHash)))
  }

  /**
   * What was carried out is answered, also where the answer cannot be kept: an error would have it sent again. Until the
   * claim is taken for abandoned, the key says that the request is in progress.
   */
  async function save(claim: Claim, sealed: Uint8Array): Promise<void> {
    for (const pauseMs of [...SAVE_AGAIN_AFTER_MS, undefined]) {
      try {
        return void (await keys.save(claim, sealed))
      } catch {
        if (pauseMs !== undefined) await delay(pauseMs)
      }
    }
  }

  async function repeat(context: Context, answer: Answer, request: string): Promise<Response> {
    if (answer.request !== request) throw reused()
    // Before it leaves, as the first time (security T71).
    for (const entry of answer.issued) await audit.record({ ...entry, details: { ...entry.details, replayed: true } })
    const headers = { 'Content-Type': answer.type, 'Idempotency-Replayed': 'true' }
    // It is the status of an answer of ours that had a body.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return context.body(answer.body, answer.status as ContentfulStatusCode, headers)
  }

  function open(sealed: Uint8Array, keyHash: string): Answer {
    return answerSchema.parse(JSON.parse(vault.open(sealed, placeOf(keyHash))))
  }
}

interface Claim {
  readonly keyHash: string
  readonly claim: string
}

function reused(): GatewayError {
  return new GatewayError(
    'key_reused',
    `This ${IDEMPOTENCY_KEY} was used before with another body. Take a new key for a new request.`,
  )
}

function refuseOddKey(key: string): void {
  if (key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]+$/.test(key)) return
  throw new GatewayError(
    'invalid_request',
    `${IDEMPOTENCY_KEY}: must be 1 to ${MAX_KEY_LENGTH} ASCII characters without spaces`,
  )
}

function inProgress(): GatewayError {
  return new GatewayError(
    'in_progress',
    `A request with this ${IDEMPOTENCY_KEY} is being carried out. Send it again in a moment to get its answer.`,
  )
}

/** Nothing in the database tells the keys, which are the caller's, or the bodies. */
function hashOf(...parts: readonly string[]): string {
  return createHash('sha256').update(encodeTuple(parts)).digest('hex')
}

function placeOf(keyHash: string): readonly string[] {
  return ['idempotency_keys', keyHash, 'answer']
}
