import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { untilStopped } from '../../src/cli/untilStopped.ts'

/** Signals that the test sends. */
function begin(drainMs: number) {
  const signals = new EventEmitter()
  const told: (string | number)[] = []
  const stopped = untilStopped({
    gateway: { drain: () => void told.push('drain') },
    drainMs,
    // It listens to nothing but signals.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    signals: signals as unknown as Pick<NodeJS.Process, 'once' | 'off'>,
    exit: (code) => void told.push(code),
  })
  return { signals, told, stopped }
}

/** After the promises that are settled already. */
const turn = async () => await new Promise((resolve) => setImmediate(resolve))

describe('untilStopped', () => {
  it('drains and then waits for as long as it was told to after SIGTERM', async () => {
    const { signals, told, stopped } = begin(30)
    const started = performance.now()
    signals.emit('SIGTERM', 'SIGTERM')
    await stopped
    expect(told).toEqual(['drain'])
    expect(performance.now() - started).toBeGreaterThanOrEqual(28)
  })

  it('does not wait after SIGINT', async () => {
    const { signals, told, stopped } = begin(60_000)
    signals.emit('SIGINT', 'SIGINT')
    await stopped
    expect(told).toEqual(['drain'])
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ])('ends the process at once on a second signal: %s', async (signal, code) => {
    const { signals, told } = begin(60_000)
    signals.emit('SIGTERM', 'SIGTERM')
    await turn()
    signals.emit(signal, signal)
    expect(told).toEqual(['drain', code])
  })
})
