import { equal, ok } from 'node:assert/strict'
import type { Backend } from '../../backends/backend.ts'
import type { SentRequest } from './backendSubject.ts'
import type { ContractCase } from './contractCase.ts'
import { isAboutToken } from './network.ts'
import { outcomeOf, type Stage } from './stage.ts'

/** What is asked of a backend that has just been opened. */
type Operation = readonly [name: string, run: (backend: Backend, signal?: AbortSignal) => Promise<unknown>]

const MIB = 1_024 * 1_024
const ENDLESS_BYTES = 256 * MIB
/** More than anybody needs of a control plane's answer. */
const MAX_READ_BYTES = 32 * MIB

/** What happens to requests on their way. */
export const faultCases: readonly ContractCase[] = [
  {
    name: 'tries again when the service is away for a moment',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        let failures = 0
        stage.network.answer(() => ((failures += 1) <= 2 ? new Response('', { status: 503 }) : undefined))
        const outcome = await stage.timing.passing(outcomeOf(run()))
        if ('error' in outcome) stage.checkError(doing, outcome.error, ['unavailable'])
        ok(!('error' in outcome), `${doing} failed although the service came back`)
      }),
  },
  {
    name: 'waits as long as Retry-After asks',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        let hasRefused = false
        const startedAt = stage.timing.now()
        stage.network.answer(() => {
          if (hasRefused) return undefined
          hasRefused = true
          return new Response('', { status: 429, headers: { 'retry-after': '2' } })
        })
        await stage.timing.passing(run())
        if (hasRefused) ok(stage.timing.now() - startedAt >= 2_000, `${doing} did not wait`)
      }),
  },
  {
    name: 'says unavailable when the service stays away',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        stage.network.answer(() => new Response('', { status: 503 }))
        await stage.failure(doing, run(), ['unavailable'])
        stage.network.answer(() => Promise.reject(new TypeError('fetch failed')))
        await stage.failure(doing, run(), ['unavailable'])
      }),
  },
  {
    name: 'makes no link a second time when it is not known whether it was made',
    needs: ['authorize', 'mintsLinks', 'requests'],
    async run(stage) {
      const { network, subject } = stage
      const backend = await stage.open()
      const { instance } = await stage.ensure(backend, stage.user())
      const faults = [() => new Response('', { status: 503 }), () => Promise.reject(new TypeError('fetch failed'))]
      for (const fault of faults) {
        const before = network.sent.length
        network.answer((request) => (subject.mintsLinks?.(request) ? fault() : undefined))
        await stage.failure('making links', backend.getAuthState(instance.id, { includeAuthLinks: true }), [
          'unavailable',
        ])
        const minting = network.sent.slice(before).filter((request) => subject.mintsLinks?.(request))
        equal(new Set(minting.map(({ body }) => body)).size, minting.length, 'a request was repeated')
      }
    },
  },
  {
    name: 'sends once what works once: making a link for one account, and verifying who consented',
    needs: ['requests'],
    async run(stage) {
      const backend = await stage.open()
      const { network } = stage
      const userIdentifier = stage.user()
      const { instance } = await stage.ensure(backend, userIdentifier)
      const [state] = await backend.getAuthState(instance.id)
      const connectionName = state?.connectionName ?? ''
      const once: Operation[] = [
        ['making a link', async () => await backend.createMagicLink?.({ userIdentifier, connectionName })],
        ['verifying', async () => await backend.verifyUser?.({ userIdentifier, authRequestId: 'made-up' })],
      ]
      network.answer(() => new Response('', { status: 503 }))
      for (const [doing, run] of once) {
        const before = network.sent.length
        const outcome = await stage.timing.passing(outcomeOf(run(backend)))
        if ('error' in outcome) stage.checkError(doing, outcome.error, ['unavailable'])
        ok(network.sent.length - before <= 1, `${doing} was sent again`)
      }
    },
  },
  {
    name: 'follows no redirect',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        stage.network.answer(({ url }) =>
          url.includes('attacker.invalid')
            ? new Response('{}')
            : new Response('', { status: 307, headers: { location: 'https://attacker.invalid/' } }),
        )
        await stage.failure(doing, run())
        ok(
          stage.network.sent.every(({ url }) => !url.includes('attacker.invalid')),
          `${doing} went elsewhere`,
        )
      }),
  },
  {
    name: 'gives up when the service does not answer, or never comes to the end of it',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        const silences = [(signal?: AbortSignal) => untilAborted(signal), () => new Response(new ReadableStream())]
        for (const silence of silences) {
          stage.network.answer((_request, signal) => silence(signal))
          const asked = stage.network.nextRequest()
          const running = outcomeOf(run())
          await asked
          await afterwards()
          stage.timing.advance(60_000)
          const outcome = await running
          ok('error' in outcome, `${doing} did not give up`)
          stage.checkError(doing, outcome.error, ['timeout', 'unavailable'])
        }
      }),
  },
  {
    name: 'ends with code aborted when its signal is aborted',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        stage.network.answer((_request, signal) => untilAborted(signal))
        const controller = new AbortController()
        const asked = stage.network.nextRequest()
        const running = outcomeOf(run(controller.signal))
        await asked
        controller.abort()
        const outcome = await running
        ok('error' in outcome, `${doing} went on`)
        stage.checkError(doing, outcome.error, ['aborted'])
      }),
  },
  {
    name: 'reads no answer without end',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        let read = 0
        const chunk = new TextEncoder().encode(' '.repeat(MIB))
        const endless = () =>
          new ReadableStream<Uint8Array>({
            pull(controller) {
              read += chunk.byteLength
              if (read > ENDLESS_BYTES) controller.close()
              else controller.enqueue(chunk)
            },
          })
        stage.network.answer(() => new Response(endless(), { headers: { 'content-type': 'application/json' } }))
        await stage.failure(doing, run(), ['invalid_response', 'unavailable'])
        ok(read <= MAX_READ_BYTES, `${doing} read ${read} bytes`)
      }),
  },
  {
    name: 'shows no secret when the service repeats what it was sent',
    needs: ['requests'],
    run: (stage) =>
      eachOperation(stage, async (doing, run) => {
        stage.network.answer(repeated)
        await stage.failure(doing, run())
        stage.network.answer((request) => (isAboutToken(request) ? undefined : repeated(request)))
        await stage.failure(doing, run())
      }),
  },
]

/** Each with a user who has authorized everything, on a backend that knows nothing yet. */
async function eachOperation(
  stage: Stage,
  check: (doing: string, run: (signal?: AbortSignal) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const user = await stage.readyUser()
  const { configName } = stage.subject
  const { instance } = await stage.ensure(await stage.open(), user)
  const operations: Operation[] = [
    ['ensureInstance', (backend, signal) => backend.ensureInstance({ configName, userIdentifier: user }, { signal })],
    ['getAuthState', (backend, signal) => backend.getAuthState(instance.id, { signal })],
  ]
  const hasTokens = (await stage.open()).createSessionToken !== undefined
  if (hasTokens)
    operations.push([
      'createSessionToken',
      async (backend, signal) => await backend.createSessionToken?.({ instance }, { signal }),
    ])
  for (const [name, run] of operations) {
    const backends = [await stage.open(), await stage.open()]
    await check(name, (signal) => run(backends.shift() ?? fail(name), signal))
    stage.network.tap = undefined
  }
}

/** An error that shows all that was sent. */
function repeated({ url, headers, body }: SentRequest): Response {
  const message = `no: ${url} ${JSON.stringify(headers)} ${new URLSearchParams(body).get('client_secret') ?? ''}`
  return Response.json({ code: 'NO', message, error: message }, { status: 400 })
}

function fail(name: string): never {
  throw new Error(`${name} is tried twice at most`)
}

function untilAborted(signal: AbortSignal | undefined): Promise<Response> {
  return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
}

/** What the answer leads to has happened. */
async function afterwards(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
