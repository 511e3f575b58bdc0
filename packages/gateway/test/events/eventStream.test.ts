import { setImmediate as allPromises } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { AccountEvent } from '../../src/domain.ts'
import { createEventStream } from '../../src/events/eventStream.ts'
import type { EventLog } from '../../src/services.ts'

const NEVER = 2 ** 30

/** A log whose listeners and reads can be counted. */
function aLog() {
  const listeners = new Set<(event: AccountEvent) => void>()
  const kept: AccountEvent[] = []
  let reads = 0
  const log: EventLog = {
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    after(sequence) {
      reads++
      return Promise.resolve(kept.filter((event) => event.sequence > sequence))
    },
    latestSequence: () => Promise.resolve(kept.length),
  }
  const happen = (userIdentifier: string) => {
    const event = anEvent(kept.length + 1, userIdentifier)
    kept.push(event)
    for (const listener of listeners) listener(event)
  }
  return { log, happen, listeners, reads: () => reads }
}

function anEvent(sequence: number, userIdentifier: string): AccountEvent {
  return {
    sequence,
    id: `evt_${sequence}`,
    accountId: 'ca_1',
    userIdentifier,
    connectionId: 'conn_1',
    status: 'ACTIVE',
    oldStatus: 'PENDING_AUTH',
    occurredAt: new Date(0),
  }
}

function openStream(log: EventLog, signal: AbortSignal, render = 'event\n\n') {
  const stream = createEventStream({
    events: log,
    userIdentifier: 'u',
    lastSequence: undefined,
    render: (page) => Promise.resolve(page.map(() => render)),
    keepAliveMs: NEVER,
    signal,
  })
  const reader = stream.getReader()
  return {
    read: async () => {
      const { done, value } = await reader.read()
      return { done, value: new TextDecoder().decode(value) }
    },
    cancel: () => reader.cancel(),
  }
}

describe('createEventStream', () => {
  it('leaves no listener when the client goes', async () => {
    const { log, listeners } = aLog()
    const reader = openStream(log, new AbortController().signal)
    await reader.read()
    expect(listeners.size).toBe(1)
    await reader.cancel()
    expect(listeners.size).toBe(0)
  })

  it('ends and leaves no listener when it is aborted, before or after it was opened', async () => {
    for (const early of [true, false]) {
      const { log, listeners } = aLog()
      const closing = new AbortController()
      if (early) closing.abort()
      const reader = openStream(log, closing.signal)
      expect((await reader.read()).value).toBe(': subscribed\n\n')
      closing.abort()
      expect((await reader.read()).done).toBe(true)
      expect(listeners.size).toBe(0)
    }
  })

  it('does not read the store for what happens to others', async () => {
    const { log, happen, reads } = aLog()
    const reader = openStream(log, new AbortController().signal)
    await reader.read()
    for (let round = 0; round < 10; round++) happen('v')
    await allPromises()
    expect(reads()).toBe(0)
    happen('u')
    expect((await reader.read()).value).toContain('event')
    expect(reads()).toBeGreaterThan(0)
    await reader.cancel()
  })

  it('stays open when what it reads is nothing to tell', async () => {
    const { log, happen } = aLog()
    const closing = new AbortController()
    const reader = openStream(log, closing.signal, '')
    await reader.read()
    happen('u')
    const next = reader.read()
    closing.abort()
    expect((await next).done).toBe(true)
  })
})
