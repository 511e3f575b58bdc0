import { setImmediate as allPromises } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { AccountEvent, Change, ChangeKind } from '../../src/domain.ts'
import { createEventStreams, type OpenStreamOptions } from '../../src/events/eventStreams.ts'
import type { Changes, EventLog } from '../../src/services.ts'

const NEVER = 2 ** 30
const PAGE = 100

/** A log whose reads can be counted, and made to fail. */
function aLog() {
  const listeners = new Set<(event: AccountEvent) => void>()
  const changeListeners = new Set<(change: Change) => void>()
  let kept: AccountEvent[] = []
  let length = 0
  let failures = 0
  const reads: [sequence: number, userIdentifier: string][] = []
  const commit = (userIdentifier: string): AccountEvent => {
    const event = anEvent(++length, userIdentifier)
    kept.push(event)
    return event
  }
  const events: EventLog = {
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    after(sequence, userIdentifier) {
      if (failures-- > 0) return Promise.reject(new Error('the store is away'))
      reads.push([sequence, userIdentifier])
      const found = kept.filter((event) => event.userIdentifier === userIdentifier && event.sequence > sequence)
      return Promise.resolve(found.slice(0, PAGE))
    },
    latestSequence: () => Promise.resolve(length),
    earliestSequence: () => Promise.resolve(kept[0]?.sequence),
  }
  const changes: Changes = {
    subscribe(listener) {
      changeListeners.add(listener)
      return () => changeListeners.delete(listener)
    },
  }
  return {
    events,
    changes,
    reads,
    fail: (times: number) => (failures = times),
    forget: (count: number) => (kept = kept.slice(count)),
    commit,
    happen: (userIdentifier: string): void => {
      const event = commit(userIdentifier)
      for (const listener of listeners) listener(event)
    },
    change: (kind: ChangeKind, subject: string): void => {
      for (const listener of changeListeners) listener({ sequence: 1, kind, subject, occurredAt: new Date(0) })
    },
  }
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

function openWorld({ keepAliveMs = NEVER } = {}) {
  const log = aLog()
  const closing = new AbortController()
  const streams = createEventStreams({ ...log, clock: () => 0, keepAliveMs, signal: closing.signal })
  const rendered: string[] = []

  async function open(userIdentifier: string, overrides: Partial<OpenStreamOptions> = {}) {
    const body = await streams.open({
      userIdentifier,
      renderKey: 'all',
      render: (page) => {
        rendered.push(overrides.renderKey ?? 'all')
        return Promise.resolve(page.map(({ sequence }) => `${sequence} `))
      },
      lastSequence: undefined,
      reset: (lastForgotten) => `reset ${lastForgotten} `,
      ...overrides,
    })
    const reader = body.getReader()
    const read = async () => {
      const { done, value } = await reader.read()
      return done ? 'the end' : new TextDecoder().decode(value)
    }
    return { read, cancel: async () => await reader.cancel() }
  }

  /** Open, and past what every stream says first. */
  async function listening(userIdentifier: string, overrides: Partial<OpenStreamOptions> = {}) {
    const stream = await open(userIdentifier, overrides)
    await stream.read()
    return stream
  }
  return { ...log, log, streams, rendered, open, listening, end: () => closing.abort() }
}

describe('createEventStreams', () => {
  it('forgets a stream when its client goes, and tells who opened it, once', async () => {
    const { streams, listening, end } = openWorld()
    let ended = 0
    const stream = await listening('u', { onEnd: () => ended++ })
    expect(streams.size()).toBe(1)
    await stream.cancel()
    end()
    expect([streams.size(), ended]).toEqual([0, 1])
  })

  it.each(['before', 'after'])('ends every stream when the gateway closes %s it was opened', async (when) => {
    const { streams, open, end } = openWorld()
    if (when === 'before') end()
    const stream = await open('u')
    end()
    expect([await stream.read(), await stream.read()]).toEqual([': subscribed\n\n', 'the end'])
    expect(streams.size()).toBe(0)
  })

  it('does not read the store for what happens to others', async () => {
    const { listening, log, reads } = openWorld()
    const stream = await listening('u')
    for (let round = 0; round < 10; round++) log.happen('v')
    await allPromises()
    expect(reads).toEqual([])
    log.happen('u')
    expect(await stream.read()).toBe('11 ')
    expect(reads).toEqual([[0, 'u']])
  })

  it('reads and renders an event once for all streams of a user, whenever they were opened', async () => {
    const { listening, log, reads, rendered } = openWorld()
    const streams = [await listening('u')]
    log.happen('v')
    streams.push(await listening('u'))
    log.happen('u')
    expect(await Promise.all(streams.map(({ read }) => read()))).toEqual(['2 ', '2 '])
    for (let count = 0; count < 1200; count++) streams.push(await listening('u'))
    const before = reads.length
    rendered.length = 0
    log.happen('u')
    const told = await Promise.all(streams.map(({ read }) => read()))
    expect(new Set(told)).toEqual(new Set(['3 ']))
    expect(reads.length - before).toBe(1)
    expect(rendered).toEqual(['all'])
  })

  it('renders once for each kind of stream', async () => {
    const { listening, log, rendered } = openWorld()
    const streams = [
      await listening('u', { renderKey: 'a' }),
      await listening('u', { renderKey: 'b' }),
      await listening('u', { renderKey: 'a' }),
    ]
    log.happen('u')
    await Promise.all(streams.map(({ read }) => read()))
    expect(rendered).toEqual(['a', 'b'])
  })

  it('keeps nothing for a client that does not read, and gives it everything, in order, when it does', async () => {
    const { open, log, reads } = openWorld()
    const slow = await open('u')
    for (let count = 0; count < 250; count++) log.happen('u')
    await allPromises()
    expect(reads).toEqual([])
    expect(await slow.read()).toBe(': subscribed\n\n')
    let text = ''
    while (!text.includes('250 ')) text += await slow.read()
    expect(text.trim().split(' ').map(Number)).toEqual(Array.from({ length: 250 }, (_, index) => index + 1))
  })

  it('stays open when what it reads is nothing to tell', async () => {
    const { listening, log, end } = openWorld()
    const stream = await listening('u', { render: () => Promise.resolve([]) })
    log.happen('u')
    const next = stream.read()
    await allPromises()
    end()
    expect(await next).toBe('the end')
  })

  it('tells later what it could not read, at the next keep-alive at the latest', async () => {
    const { listening, log, fail } = openWorld({ keepAliveMs: 16 })
    const stream = await listening('u')
    fail(1)
    log.happen('u')
    let text = ''
    while (!text.includes('1 ')) text += await stream.read()
    expect(text.replaceAll(': keep-alive\n\n', '')).toBe('1 ')
  })

  it('says that events were forgotten, and goes on with the oldest that is there', async () => {
    const { listening, log, forget } = openWorld()
    for (let count = 0; count < 5; count++) log.commit('u')
    forget(3)
    const late = await listening('u', { lastSequence: 1 })
    expect([await late.read(), await late.read()]).toEqual(['reset 3 ', '4 5 '])
    const inTime = await listening('u', { lastSequence: 3 })
    expect(await inTime.read()).toBe('4 5 ')
  })

  it('ends the streams of a user that is revoked, after telling what that did, and nobody else’s', async () => {
    const { listening, log, change, streams } = openWorld()
    const [revoked, other] = [await listening('u'), await listening('v')]
    log.commit('u')
    change('user', 'u')
    expect([await revoked.read(), await revoked.read()]).toEqual(['1 ', 'the end'])
    expect(streams.size()).toBe(1)
    log.happen('v')
    expect(await other.read()).toBe('2 ')
  })

  it('ends the streams of an instance that is changed or deleted, and no other of its user', async () => {
    const { listening, log, change } = openWorld()
    const ended = await listening('u', { instanceId: 'ins_1' })
    const others = [await listening('u', { instanceId: 'ins_2' }), await listening('u')]
    change('instance', 'ins_1')
    change('config', 'ins_2')
    expect(await ended.read()).toBe('the end')
    log.happen('u')
    expect(await Promise.all(others.map(({ read }) => read()))).toEqual(['1 ', '1 '])
  })
})
