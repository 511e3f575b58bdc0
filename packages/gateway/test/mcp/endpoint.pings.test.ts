import { afterEach, describe, expect, it, vi } from 'vitest'
import { legacyRequest } from './support/clients.ts'
import { startLegacyUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

interface Asking {
  /** Sends a request to the gateway in the middle of the call. */
  ask(method: string, id: string): void
  /** Ends the call. */
  answer(): void
}

/** A 2025 upstream whose calls do what the test says, and a call of it that is under way. */
async function startCall(during: (asking: Asking, answered: (id: string) => boolean) => Promise<void>) {
  await using upstream = await startLegacyUpstream()
  await using world = await createWorld({ connections: { mail: upstream.url } })
  const responses: string[] = []
  let done: Promise<void> | undefined
  upstream.intercept = (_request, body) => {
    const { id, method } = body === '' ? {} : JSON.parse(body)
    if (method === undefined && id !== undefined) {
      responses.push(String(id))
      return new Response(null, { status: 202 })
    }
    if (method !== 'tools/call') return undefined
    const { readable, writable } = new TransformStream<string, string>()
    const writer = writable.getWriter()
    const write = (message: object) => void writer.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`)
    done = during(
      {
        ask: (asked, questionId) => write({ id: questionId, method: asked }),
        answer: () => void (write({ id, result: { content: [] } }), writer.close()),
      },
      (questionId) => responses.includes(questionId),
    )
    const headers = { 'content-type': 'text/event-stream' }
    return new Response(readable.pipeThrough(new TextEncoderStream()), { headers })
  }
  const { body, headers } = legacyRequest('tools/call', { name: 'echo', arguments: { text: 'x' } })
  const answer = await (await world.post(world.url('ada'), body, headers)).text()
  await done
  return { answer, responses }
}

describe('createMcpEndpoint, pings of an upstream in the middle of a call', () => {
  afterEach(() => vi.useRealTimers())

  it('are answered for as long as the call takes, and cut off no call', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const ids = Array.from({ length: 40 }, (_, index) => `ping ${index}`)
    const { answer, responses } = await startCall(async (asking, isAnswered) => {
      for (const id of ids) {
        asking.ask('ping', id)
        await vi.waitFor(() => expect(isAnswered(id)).toBe(true), { interval: 2 })
        vi.advanceTimersByTime(15_000)
      }
      asking.answer()
    })
    expect(answer).toContain('"result"')
    expect(responses).toEqual(ids)
  })

  it('T45: make the gateway send no more than a few answers at once, however many there are', async () => {
    const { answer, responses } = await startCall(async (asking) => {
      for (let index = 0; index < 1_000; index += 1) asking.ask('ping', `ping ${index}`)
      asking.answer()
    })
    expect(answer).toContain('"result"')
    expect(responses.length).toBeLessThanOrEqual(16)
  })

  it('T45: leave the bound on other questions as it is', async () => {
    const { answer } = await startCall(async (asking) => {
      for (let index = 0; index < 17; index += 1) asking.ask('roots/list', `question ${index}`)
    })
    expect(answer).toContain('"error"')
  })
})
