import { describe, expect, it, onTestFinished } from 'vitest'
import { createLatchkey, type Backend, type Latchkey, type LatchkeyOptions, type UserTool } from '../src/index.ts'
import { createScriptedBackend, ManualTiming, type ScriptedMethod } from '../src/testing/index.ts'
import { failureOf } from './fixtures/setup.ts'

type Answer = (method: string, init: RequestInit) => Response | Promise<Response> | undefined

interface Given {
  readonly latchkey: Latchkey
  readonly timing: ManualTiming
  readonly whoami: UserTool
  /** The methods of what was sent to the endpoint since. */
  readonly sent: string[]
  /** What the endpoint answers from now on; undefined: as usual. */
  readonly answers: (answer: Answer) => void
  /** The backend never answers this again. Resolves when it is asked. */
  readonly hangs: (method: ScriptedMethod) => Promise<void>
}

/** A tool of a session that is connected, and is closed when it was idle for 100 s; a token lasts 500 s. */
async function connected(options: LatchkeyOptions = {}): Promise<Given> {
  const timing = new ManualTiming()
  const hanging = new Map<ScriptedMethod, () => void>()
  const before = async ({ method }: { method: ScriptedMethod }) => {
    const tell = hanging.get(method)
    if (!tell) return
    tell()
    await new Promise<never>(() => {})
  }
  const backend = createScriptedBackend({ timing, before, sessionTokenMs: 500_000 })
  const sent: string[] = []
  let answer: Answer | undefined
  const latchkey = createLatchkey({
    backend,
    timing,
    idleMs: 100_000,
    fetch: async (url, init = {}) => {
      const { method } = JSON.parse(typeof init.body === 'string' ? init.body : '{}')
      sent.push(method)
      return (await answer?.(method, init)) ?? (await backend.fetch(url, init))
    },
    ...options,
  })
  onTestFinished(() => latchkey.close())
  backend.setStatus('u1', 'mail', 'ACTIVE')
  const [whoami] = (await latchkey.userTools('u1')).tools
  if (!whoami) throw new Error('no tool')
  sent.length = 0
  return {
    latchkey,
    timing,
    whoami,
    sent,
    answers: (next) => (answer = next),
    hangs: (method) => new Promise((resolve) => hanging.set(method, resolve)),
  }
}

const untilAborted: Answer = (_method, { signal }) =>
  new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))

describe('UserTool.call that fails before the call was sent', () => {
  it('does not say that it may have been carried out when its signal was aborted before', async () => {
    const { whoami, sent } = await connected()
    const error = await failureOf(whoami.call({}, { signal: AbortSignal.abort() }))
    expect([error.code, sent]).toEqual(['aborted', []])
    expect(error.message).not.toContain('carried out')
  })

  it.each<[string, string, Answer]>([
    ['503', 'unavailable', () => new Response('no', { status: 503 })],
    ['HTML', 'unavailable', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['nothing in time', 'timeout', untilAborted],
  ])('does not say so when the endpoint answers %s to connecting again', async (_what, code, answer) => {
    const { timing, whoami, sent, answers } = await connected({ requestTimeoutMs: 20 })
    timing.advance(100_000)
    answers(answer)
    const error = await failureOf(whoami.call({}))
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('carried out')
    expect(sent).not.toContain('tools/call')
  })

  // Regression: what reads JSON quotes how it begins.
  it('quotes nothing of an answer to connecting again that is not JSON', async () => {
    const { timing, whoami, answers } = await connected()
    timing.advance(100_000)
    answers(() => new Response('canary', { headers: { 'content-type': 'application/json' } }))
    const error = await failureOf(whoami.call({}))
    expect([error.code, error.message]).toEqual(['invalid_response', expect.stringMatching(/answer is not JSON$/)])
    expect(error.message).not.toContain('canary')
  })

  it.each<[string, string, (given: Given) => unknown]>([
    ['its time is over', 'timeout', ({ timing }) => timing.advance(1_000)],
    ['the Latchkey is closed', 'aborted', ({ latchkey }) => latchkey.close()],
  ])('does not say so when %s while its token is made', async (_what, code, end) => {
    const given = await connected({ idleMs: 1_000_000 })
    const isAsked = given.hangs('createSessionToken')
    given.timing.advance(450_000)
    const failure = failureOf(given.whoami.call({}, { timeoutMs: 1_000 }))
    await isAsked
    await end(given)
    const error = await failure
    expect([error.code, given.sent]).toEqual([code, []])
    expect(error.message).not.toContain('carried out')
  })

  it('does not say so when its time is over while a token is made for one that was refused', async () => {
    const given = await connected({ idleMs: 1_000_000 })
    const isAsked = given.hangs('createSessionToken')
    given.answers(() => new Response('', { status: 401 }))
    const failure = failureOf(given.whoami.call({}, { timeoutMs: 1_000 }))
    await isAsked
    given.timing.advance(1_000)
    const error = await failure
    expect([error.code, given.sent]).toEqual(['timeout', ['tools/call']])
    expect(error.message).not.toContain('carried out')
  })

  it('is not sent afterwards, when its time is over while an app makes its headers', async () => {
    const timing = new ManualTiming()
    const scripted = createScriptedBackend({ timing })
    let made = Promise.resolve()
    let onAsked: (() => void) | undefined
    const backend: Backend = {
      ...scripted,
      async ensureInstance(...asked) {
        const { instance } = await scripted.ensureInstance(...asked)
        const headers = async () => {
          onAsked?.()
          await made
          const token = await scripted.createSessionToken?.({ instance })
          return { authorization: `Bearer ${token?.token}` }
        }
        return { instance: { ...instance, url: instance.mcpServerUrl, mcpServerUrl: undefined, headers } }
      },
    }
    await using latchkey = createLatchkey({ backend, fetch: scripted.fetch, timing })
    scripted.setStatus('u1', 'mail', 'ACTIVE')
    const [whoami] = (await latchkey.userTools('u1')).tools
    const going = Promise.withResolvers<void>()
    made = going.promise
    const isAsked = new Promise<void>((resolve) => (onAsked = resolve))
    const failure = failureOf(whoami?.call({}, { timeoutMs: 1_000 }) ?? Promise.resolve())
    await isAsked
    timing.advance(1_000)
    expect(await failure).toMatchObject({ code: 'timeout', message: expect.not.stringContaining('carried out') })
    going.resolve()
    await whoami?.call({})
    expect(scripted.toolCalls).toEqual(['u1 whoami'])
  })

  it('says so when its time is over after it was sent', async () => {
    const { timing, whoami, answers } = await connected()
    const isSent = Promise.withResolvers<void>()
    answers((...request) => {
      isSent.resolve()
      return untilAborted(...request)
    })
    const failure = failureOf(whoami.call({}, { timeoutMs: 1_000 }))
    await isSent.promise
    timing.advance(1_000)
    expect(await failure).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('may have been carried out'),
    })
  })
})
