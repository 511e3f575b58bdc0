import { randomUUID } from 'node:crypto'
import type { AccountProgram, Clock, GuardedAnswer } from '../../services.ts'
import { ProgramFailed } from '../failures.ts'
import { TooComplexError } from '../jsonBounds.ts'
import { member, members, valueAt, type Member } from '../jsonSpans.ts'
import {
  isObject,
  LOG_LEVEL_META,
  METHOD_NOT_FOUND,
  MISSING_CLIENT_CAPABILITY,
  UNSUPPORTED_VERSION,
} from '../protocol.ts'
import { Exchange, type ExchangeLimits } from './exchange.ts'
import { oneLine, renumber, withValue, type RenumberedRequest } from './ownIds.ts'
import { MAX_LINE_BYTES, startProgram, type ProgramProcessDeps } from './programProcess.ts'
import { readLine, type ProgramMessage } from './readLine.ts'

/** One process of a program, and everything that is under way on its one channel. */
export interface ProgramSession {
  /** What a session of the 2025 era is known by. */
  readonly id: string
  /** Whether it can be asked. */
  readonly isOpen: boolean
  /** Whether nothing is under way. */
  readonly isIdle: boolean
  /** When something was under way last. */
  readonly lastUsedAt: number
  /** Whether it was asked nothing so far but what it is. */
  readonly isFresh: boolean
  ask(request: SessionRequest, limits: ExchangeLimits): Promise<GuardedAnswer>
  /** Sends what has no answer. */
  tell(text: string): void
  /** What it says without being asked. */
  listen(limits: ExchangeLimits): Promise<GuardedAnswer>
  /** Is asked nothing more, and ends when nothing is under way. */
  retire(): void
  /** Ends, with everything that is under way. Gives when the process is gone. */
  end(): Promise<void>
}

export interface SessionRequest {
  readonly text: string
  readonly method: string
  readonly isModern: boolean
}

export interface ProgramSessionDeps extends ProgramProcessDeps {
  readonly clock: Clock
  /** It can be asked nothing more; `gone` settles when the process is gone. Once. */
  readonly onEnd: (gone: Promise<void>) => void
}

interface UnderWay {
  readonly exchange: Exchange
  readonly request: RenumberedRequest
  readonly method: string
  readonly isModern: boolean
  readonly wantsLogs: boolean
}

const MAX_UNREAD_CHARS = 16 * 1024
const SUBSCRIPTION_META = 'io.modelcontextprotocol/subscriptionId'
/** Those in the middle of which a program may have something to ask, or to log. */
const CALLS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read', 'completion/complete'])
/** What it may be asked before it has been used for anything. */
const FIRST_METHOD = 'server/discover'
/** `initialize` must not be cancelled (2025-11-25, "Cancellation"), and before it nothing can be. */
const UNCANCELLED: ReadonlySet<string> = new Set([FIRST_METHOD, 'initialize'])

/**
 * Starts a program and speaks with it. All that ask it share one channel, so every request goes out under an id of its
 * own, and what comes back finds its way by that. A log message, and a question of the 2025 era, say nothing of the call
 * that they belong to: they go to the one call that is under way, and nowhere while there are several.
 */
export function createProgramSession(
  given: AccountProgram,
  { clock, onEnd, ...deps }: ProgramSessionDeps,
): ProgramSession {
  const underWay = new Map<number, UnderWay>()
  const listeners = new Set<Exchange>()
  let lastId = 0
  let lastUsedAt = clock()
  let isFresh = true
  let isRetired = false
  let gone: Promise<void> | undefined
  /** What it has written since it last answered that nobody had asked for. */
  let unasked = 0
  /** What it was answered since it was last seen to read. */
  let unread = 0

  const program = startProgram(given, deps, { onLine: receive, onFailure: fail })

  function receive(line: string): void {
    let message: ProgramMessage | undefined
    try {
      message = readLine(line)
    } catch (error) {
      if (!(error instanceof TooComplexError)) throw error
      return fail(new ProgramFailed('sent a message of more levels or values than the gateway takes'))
    }
    if (deliver(line, message)) return
    unasked += line.length + 1
    if (unasked > MAX_LINE_BYTES) fail(new ProgramFailed('writes without end what nobody has asked it for'))
  }

  /** False for what is no part of an answer. */
  function deliver(line: string, message: ProgramMessage | undefined): boolean {
    if (message?.kind === 'response') return answer(line, message)
    if (message?.kind === 'request') return question(line, message)
    return message !== undefined && notify(line, message)
  }

  function answer(line: string, { id, top }: ProgramMessage & { kind: 'response' }): boolean {
    const found = typeof id === 'number' ? underWay.get(id) : undefined
    if (found === undefined) return false
    unasked = 0
    const status = found.isModern ? statusOf(line, top) : 200
    found.exchange.finish(withValue(line, member(top, 'id'), found.request.id), status)
    over(Number(id))
    return true
  }

  function notify(line: string, { method, params }: ProgramMessage & { kind: 'notification' }): boolean {
    if (method === 'notifications/progress') return progress(line, params['progressToken'])
    if (method === 'notifications/message') return push(onlyCall({ forLogs: true }), line)
    if (method === 'notifications/cancelled') return endStream(params['requestId'])
    announce(line, isObject(params['_meta']) ? params['_meta'][SUBSCRIPTION_META] : undefined)
    return false
  }

  function announce(line: string, subscription: unknown): void {
    if (typeof subscription === 'number') push(underWay.get(subscription), line)
    else for (const listener of listeners) listener.push(line)
  }

  function progress(line: string, token: unknown): boolean {
    const found = typeof token === 'number' ? underWay.get(token) : undefined
    if (found?.request.progressToken === undefined) return false
    return push(found, withValue(line, valueAt(line, 'params', 'progressToken'), found.request.progressToken))
  }

  function push(found: UnderWay | undefined, line: string): boolean {
    found?.exchange.push(line)
    return found !== undefined
  }

  /** A program ends a subscription by that, and nothing else (2026-07-28, "Cancellation"). */
  function endStream(id: unknown): boolean {
    const found = typeof id === 'number' ? underWay.get(id) : undefined
    if (found?.method !== 'subscriptions/listen') return false
    found.exchange.end()
    over(Number(id))
    return true
  }

  function question(line: string, { id, method }: ProgramMessage & { kind: 'request' }): boolean {
    if (method !== 'ping' && push(onlyCall(), line)) return true
    const refusal = { code: METHOD_NOT_FOUND, message: 'It cannot be known who has to be asked this' }
    const outcome = method === 'ping' ? '"result":{}' : `"error":${JSON.stringify(refusal)}`
    reply(`{"jsonrpc":"2.0","id":${id},${outcome}}`)
    return false
  }

  /** One that asks and asks, and does not read what it is answered, waits for no more answers. */
  function reply(line: string): void {
    if (program.isReading) unread = 0
    unread += line.length
    if (unread <= MAX_UNREAD_CHARS) tryTo(() => program.write(line))
  }

  function onlyCall({ forLogs = false } = {}): UnderWay | undefined {
    const calls = [...underWay.values()].filter(({ method, wantsLogs }) => CALLS.has(method) && (wantsLogs || !forLogs))
    return calls.length === 1 ? calls[0] : undefined
  }

  function over(id: number): void {
    underWay.delete(id)
    lastUsedAt = clock()
    endIfRetired()
  }

  function giveUp(id: number): void {
    const { method } = underWay.get(id) ?? {}
    if (method !== undefined && !UNCANCELLED.has(method) && program.isRunning) {
      const params = { requestId: id, reason: 'Nobody waits for it any more' }
      tryTo(() => program.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params })))
    }
    over(id)
  }

  function endIfRetired(): void {
    if (isRetired && underWay.size === 0) void end(new ProgramFailed('has ended'))
  }

  function fail(failure: ProgramFailed): void {
    void end(failure)
  }

  function end(failure: ProgramFailed): Promise<void> {
    if (gone !== undefined) return gone
    isRetired = true
    gone = program.end()
    onEnd(gone)
    for (const { exchange } of underWay.values()) exchange.fail(failure)
    for (const listener of listeners) listener.fail(failure)
    underWay.clear()
    listeners.clear()
    return gone
  }

  return {
    id: randomUUID(),
    get isOpen() {
      return !isRetired && program.isRunning
    },
    get isIdle() {
      return underWay.size === 0 && listeners.size === 0
    },
    get lastUsedAt() {
      return lastUsedAt
    },
    get isFresh() {
      return isFresh
    },

    ask({ text, method, isModern }, limits) {
      lastId += 1
      const id = lastId
      const request = renumber(text, id)
      if (request === undefined) throw new TypeError('a request without an id has been let through')
      isFresh &&= method === FIRST_METHOD
      const exchange = new Exchange(limits, () => giveUp(id))
      const wantsLogs = !isModern || valueAt(text, 'params', '_meta', LOG_LEVEL_META) !== undefined
      underWay.set(id, { exchange, request, method, isModern, wantsLogs })
      try {
        program.write(request.line)
      } catch (error) {
        underWay.delete(id)
        exchange.fail(error)
      }
      return exchange.answer
    },
    tell: (text) => program.write(oneLine(text)),
    listen(limits) {
      const listener: Exchange = new Exchange(limits, () => void listeners.delete(listener)).open()
      listeners.add(listener)
      return listener.answer
    },
    retire() {
      isRetired = true
      for (const listener of listeners) listener.end()
      listeners.clear()
      endIfRetired()
    },
    end: async () => await end(new ProgramFailed('was ended before it had answered')),
  }
}

/** The status that Streamable HTTP has for an error (2026-07-28, "Streamable HTTP"); on this channel there is none. */
function statusOf(line: string, top: readonly Member[]): number {
  const error = member(top, 'error')
  const code = error && member(members(line, error.start), 'code')
  return (code && STATUS_OF_ERROR.get(Number(line.slice(code.start, code.end)))) ?? 200
}

const STATUS_OF_ERROR: ReadonlyMap<number, number> = new Map([
  [METHOD_NOT_FOUND, 404],
  [MISSING_CLIENT_CAPABILITY, 400],
  [UNSUPPORTED_VERSION, 400],
])

/** What cannot be said is lost on one that does not listen. */
function tryTo(say: () => void): void {
  try {
    say()
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error
  }
}
