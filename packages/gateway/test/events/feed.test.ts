import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AccountEvent } from '../../src/domain.ts'
import { startFeed, type Feed } from '../../src/events/feed.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const NEVER_MS = 1_000_000

const anEvent = (id: string): Omit<AccountEvent, 'sequence'> => ({
  id,
  accountId: 'ca_1',
  userIdentifier: 'anna',
  connectionId: 'mail',
  status: 'ACTIVE',
  oldStatus: 'PENDING_AUTH',
  occurredAt: AT,
})

const aChange = (subject: string) => ({ kind: 'config', subject, occurredAt: AT }) as const

describe('startFeed', () => {
  let store: Store
  let told: string[]
  let wakeUp: () => void
  const feeds: Feed[] = []

  beforeEach(async () => {
    store = await openSqliteStore(':memory:')
    told = []
  })
  afterEach(async () => {
    await Promise.all(feeds.splice(0).map((feed) => feed.close()))
    await store.close()
  })

  async function start(pollMs = NEVER_MS) {
    const feed = await startFeed({
      store: {
        events: store.events,
        changes: store.changes,
        listen: (onWakeUp) => {
          wakeUp = onWakeUp
          return () => Promise.resolve()
        },
      },
      publish: ({ id }) => void told.push(id),
      announce: ({ subject }) => void told.push(subject),
      pollMs,
    })
    feeds.push(feed)
    return feed
  }

  it('tells nothing of what was there before it', async () => {
    await store.events.append(anEvent('evt_old'))
    await start(1)
    await store.events.append(anEvent('evt_new'))
    await vi.waitFor(() => expect(told).toEqual(['evt_new']))
  })

  it('tells what others have committed when it is woken up', async () => {
    await start()
    await store.events.append(anEvent('evt_1'))
    await store.changes.append(aChange('cfg_1'))
    wakeUp()
    await vi.waitFor(() => expect(told).toEqual(['cfg_1', 'evt_1']))
  })

  it('tells it at the next poll when nobody wakes it up', async () => {
    await start(5)
    await store.changes.append(aChange('cfg_1'))
    await vi.waitFor(() => expect(told).toEqual(['cfg_1']))
  })

  it('tells what is committed here at once, and once', async () => {
    const feed = await start()
    feed.publish(await store.events.append(anEvent('evt_1')))
    feed.announce(await store.changes.append(aChange('cfg_1')))
    expect(told).toEqual(['evt_1', 'cfg_1'])
    await store.events.append(anEvent('evt_2'))
    wakeUp()
    await vi.waitFor(() => expect(told).toEqual(['evt_1', 'cfg_1', 'evt_2']))
  })

  it('does not tell again what it has read before the news of the commit came', async () => {
    const feed = await start()
    const event = await store.events.append(anEvent('evt_1'))
    wakeUp()
    await vi.waitFor(() => expect(told).toEqual(['evt_1']))
    feed.publish(event)
    expect(told).toEqual(['evt_1'])
  })

  it('tells everything in order when more has happened than one reading gives', async () => {
    await start()
    const all = Array.from({ length: 1_100 }, (_, index) => `cfg_${index}`)
    await store.transaction(async (inner) => {
      for (const subject of all) await inner.changes.append(aChange(subject))
    })
    wakeUp()
    await vi.waitFor(() => expect(told).toEqual(all))
  })

  it('reads on later when the store failed', async () => {
    let isLost = true
    const failing = async (after: number, limit: number) => {
      if (!isLost) return await store.changes.after(after, limit)
      isLost = false
      throw new Error('the connection was lost')
    }
    const lines: unknown[] = []
    const feed = await startFeed({
      store: {
        events: store.events,
        changes: { latestSequence: () => store.changes.latestSequence(), after: failing },
        listen: () => () => Promise.resolve(),
      },
      publish: () => {},
      announce: ({ subject }) => void told.push(subject),
      pollMs: 5,
      log: (line) => void lines.push(line),
    })
    feeds.push(feed)
    await store.changes.append(aChange('cfg_1'))
    await vi.waitFor(() => expect(told).toEqual(['cfg_1']))
    expect(lines).toHaveLength(1)
  })
})
