import { describe, expect, it } from 'vitest'
import type { GuardedAnswer } from '../../src/services.ts'
import { readResumableSse } from '../../src/upstream/resumableSse.ts'
import type { SseReader } from '../../src/upstream/sseMessages.ts'
import { heldBytes } from './support/heldBytes.ts'

const MIB = 1024 * 1024
const EVENTS = 1_000
const encoder = new TextEncoder()

/** One chunk for each event, made when it is read. */
function streamOf(count: number, eventAt: (index: number) => string): ReadableStream<Uint8Array> {
  let index = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (index === count) return controller.close()
        controller.enqueue(encoder.encode(eventAt(index)))
        index += 1
      },
    },
    { highWaterMark: 0 },
  )
}

function answerOf(body: ReadableStream<Uint8Array>): GuardedAnswer {
  return {
    status: 200,
    ok: true,
    headers: { 'content-type': 'text/event-stream' },
    text: () => new Response(body).text(),
    stream: () => body,
    discard: () => undefined,
  }
}

/** The second stream is what the rest is asked for with. */
function read(first: ReadableStream<Uint8Array>, second = streamOf(0, String)): SseReader {
  const limits = {
    signal: undefined,
    maxBytes: Number.MAX_SAFE_INTEGER,
    headersTimeoutMs: 15_000,
    bodyIdleTimeoutMs: 15_000,
  }
  return readResumableSse(first, MIB, { limits, ask: async () => answerOf(second) })
}

async function readSome(reader: SseReader, count: number): Promise<string[]> {
  const data: string[] = []
  for (let index = 0; index < count; index += 1) {
    const item = await reader.next()
    if (item?.kind === 'message') data.push(item.data)
  }
  return data
}

/** An event with an id of 1,000 characters. */
function longNamed(index: number): string {
  return `retry: 1\nid: ${String(index).padStart(1_000, '0')}\ndata: ${index}\n\n`
}

describe('readResumableSse', () => {
  it.each([
    ['events', (index: number) => `id: the-identifier-of-event-${index}\ndata: ${'x'.repeat(60 * 1024)}\n\n`],
    ['ids', (index: number) => `id: ${index}-${'x'.repeat(60 * 1024)}\ndata: x\n\n`],
  ])('T44: holds no more than a little of a stream without end, however long its %s are', async (_what, eventAt) => {
    const reader = read(streamOf(EVENTS + 1, eventAt))
    const before = heldBytes()
    for (let index = 0; index < EVENTS; index += 1) await reader.next()
    expect(heldBytes() - before).toBeLessThan(16 * MIB)
    expect(await readSome(reader, 1)).toHaveLength(1)
  })

  it('knows the events of before again by ids of 64 KiB together', async () => {
    const again = [99, 40, 0, 100]
    const reader = read(
      streamOf(100, longNamed),
      streamOf(again.length, (at) => longNamed(again[at] ?? 0)),
    )
    expect(await readSome(reader, 100)).toHaveLength(100)
    expect(await readSome(reader, 2)).toEqual(['0', '100'])
  })
})
