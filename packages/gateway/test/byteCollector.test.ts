import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteCollector } from '../src/byteCollector.ts'

describe('ByteCollector', () => {
  it('gives the bytes as they came, however they came', () => {
    const chunks = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ minLength: 4096, maxLength: 9000 })),
      {
        maxLength: 60,
        size: 'max',
      },
    )
    fc.assert(
      fc.property(chunks, fc.nat(60), (all, taken) => {
        const bytes = new ByteCollector()
        const got: Uint8Array[] = []
        for (const [index, chunk] of all.entries()) {
          bytes.add(chunk)
          if (index === taken) got.push(...bytes.take())
        }
        const size = bytes.size
        const rest = bytes.takeAll()
        expect(rest.byteLength).toBe(size)
        expect(Buffer.concat([...got, rest])).toEqual(Buffer.concat(all))
      }),
    )
  })

  it('keeps a hundred thousand bytes that come one by one in a few pieces', () => {
    const bytes = new ByteCollector()
    for (let count = 0; count < 100_000; count += 1) bytes.add(Uint8Array.of(count & 0xff))
    expect(bytes.take().length).toBeLessThan(20)
  })
})
