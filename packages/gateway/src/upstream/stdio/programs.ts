import type { GuardedAnswer, GuardedFetchInit } from '../../services.ts'
import { ProgramFailed } from '../failures.ts'
import { member, members } from '../jsonSpans.ts'
import { MODERN_VERSION } from '../protocol.ts'
import { emptyAnswer, jsonAnswer, type ExchangeLimits } from './exchange.ts'
import { createProgramPool, type ProgramPoolDeps, type ProgramsOfAccount } from './programPool.ts'
import type { ProgramSession } from './programSession.ts'

/** What one request to a program says: that of an HTTP request to a server. */
export type ProgramRequest = GuardedFetchInit & Required<Pick<GuardedFetchInit, 'program' | 'partition'>>

/** Programs that are upstreams, each asked as a server at a URL would be. */
export interface Programs {
  /**
   * Asks the account's process, which is started if it does not run; a session of the 2025 era is a process, and where
   * that is gone the answer is 404. Nothing is sent twice. Throws `ProgramFailed`, or the signal's reason.
   */
  send(request: ProgramRequest): Promise<GuardedAnswer>
  /** Ends an account's processes, once nothing is under way. */
  release(accountId: string): void
  /** Ends the processes that have had nothing to do for five minutes. */
  endIdle(): void
  /** Ends all processes, and gives when they are gone. */
  close(): Promise<void>
}

/** A program that is fetched before it starts may take long; whoever asks has a deadline of its own. */
const INITIALIZE_TIMEOUT_MS = 2 * 60_000
const MAX_INITIALIZE_BYTES = 64 * 1024
/** A program of the 2025 era may leave what it does not know unanswered (2026-07-28, "stdio", backward compatibility). */
const DISCOVER_TIMEOUT_MS = 5_000
/** Of the processes of an account the one that speaks the 2026-07-28 era; the others go by how they were initialized. */
const MODERN = 'modern'
const SESSION_HEADER = 'mcp-session-id'

export function createPrograms(deps: ProgramPoolDeps): Programs {
  const pool = createProgramPool(deps)
  /** The answer to `initialize`: asked once of a process, for all who ask the same, for as long as it lives. */
  const initialized = new WeakMap<ProgramSession, Promise<string>>()
  const introduced = new WeakSet<ProgramSession>()
  let isClosed = false

  /** A process that was initialized speaks the 2025 era only, also where the program speaks both. */
  async function discover(request: ProgramRequest, text: string): Promise<GuardedAnswer> {
    const session = pool.session(accountOf(request), MODERN, request.program)
    const limits = limitsOf(request)
    const firstTimeoutMs = Math.min(limits.firstTimeoutMs, DISCOVER_TIMEOUT_MS)
    try {
      return await session.ask({ text, method: 'server/discover', isModern: true }, { ...limits, firstTimeoutMs })
    } catch (error) {
      if (!session.isOpen || request.signal?.aborted) throw error
      return emptyAnswer(202)
    }
  }

  async function initialize(request: ProgramRequest, text: string): Promise<GuardedAnswer> {
    const session = sessionToInitialize(accountOf(request), request, text)
    let answer = initialized.get(session)
    if (answer === undefined) {
      answer = askToInitialize(session, text)
      answer.catch(() => session.retire())
      initialized.set(session, answer)
    }
    return jsonAnswer(await beforeAbort(answer, request.signal), { headers: { [SESSION_HEADER]: session.id } })
  }

  /** One that was asked only whether it speaks the 2026-07-28 era can be asked in the other one, or is not needed. */
  function sessionToInitialize(account: ProgramsOfAccount, { program }: ProgramRequest, text: string): ProgramSession {
    const { sessions } = account
    const probed = sessions.get(MODERN)
    if (probed?.isFresh) {
      sessions.delete(MODERN)
      if (sessions.get(text)?.isOpen) probed.retire()
      else sessions.set(text, probed)
    }
    return pool.session(account, text, program)
  }

  function accountOf({ partition, program: { generation } }: ProgramRequest): ProgramsOfAccount {
    return pool.of(partition, generation)
  }

  function tell(session: ProgramSession, text: string, method: string | undefined): void {
    // That nobody waits any more is said where it is known under which id the program knows it.
    if (method === 'notifications/cancelled') return
    if (method === 'notifications/initialized') {
      if (introduced.has(session)) return
      introduced.add(session)
    }
    session.tell(text)
  }

  return {
    async send(request) {
      request.signal?.throwIfAborted()
      if (isClosed) throw new ProgramFailed('is not started any more: the gateway is closing')
      const { body, partition, headers } = request
      const text = typeof body === 'string' ? body : ''
      const { method, isRequest } = readOutgoing(text)
      if (method === 'initialize') return await initialize(request, text)
      if (method === 'server/discover') return await discover(request, text)
      const sessionId = headerOf(headers, SESSION_HEADER)
      const session =
        sessionId === undefined
          ? pool.session(accountOf(request), MODERN, request.program)
          : pool.find(partition, sessionId)
      // A process is the session of all who were initialized alike, and is ended when none of them uses it.
      if (request.method === 'DELETE') return emptyAnswer(200)
      const isNew = isRequest || request.method === 'GET'
      if (session === undefined || (isNew && !session.isOpen)) return emptyAnswer(404)
      if (request.method === 'GET') return await session.listen(limitsOf(request))
      if (isRequest) {
        const isModern = headerOf(headers, 'mcp-protocol-version') === MODERN_VERSION
        return await session.ask({ text, method: method ?? '', isModern }, limitsOf(request))
      }
      tell(session, text, method)
      return emptyAnswer(202)
    },
    release: (accountId) => pool.release(accountId),
    endIdle: () => pool.endIdle(),
    async close() {
      isClosed = true
      await pool.close()
    },
  }
}

async function askToInitialize(session: ProgramSession, text: string): Promise<string> {
  const answer = await session.ask(
    { text, method: 'initialize', isModern: false },
    {
      signal: undefined,
      maxBytes: MAX_INITIALIZE_BYTES,
      firstTimeoutMs: INITIALIZE_TIMEOUT_MS,
      silenceTimeoutMs: INITIALIZE_TIMEOUT_MS,
    },
  )
  const said = await answer.text()
  // One that refuses is of no use; the next that asks begins with a new one.
  if (member(members(said), 'result') === undefined) session.retire()
  return said
}

/** Ours, so it is well-formed. */
function readOutgoing(text: string): { method: string | undefined; isRequest: boolean } {
  const top = members(text)
  const place = member(top, 'method')
  const method: unknown = place && JSON.parse(text.slice(place.start, place.end))
  if (typeof method !== 'string') return { method: undefined, isRequest: false }
  return { method, isRequest: member(top, 'id') !== undefined }
}

function headerOf(headers: GuardedFetchInit['headers'], name: string): string | undefined {
  return headers instanceof Headers ? (headers.get(name) ?? undefined) : headers?.[name]
}

const DEFAULT_MAX_BYTES = 64 * 1024
const DEFAULT_TIMEOUT_MS = 15_000

function limitsOf({ signal, ...given }: ProgramRequest): ExchangeLimits {
  const { maxBytes = DEFAULT_MAX_BYTES, headersTimeoutMs, bodyIdleTimeoutMs } = given
  return {
    signal,
    maxBytes,
    firstTimeoutMs: headersTimeoutMs ?? DEFAULT_TIMEOUT_MS,
    silenceTimeoutMs: bodyIdleTimeoutMs ?? DEFAULT_TIMEOUT_MS,
  }
}

/** Who asks may go away; what is asked for all goes on. */
async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
