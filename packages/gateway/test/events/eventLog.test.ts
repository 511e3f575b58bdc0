import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEventLog } from '../../src/events/eventLog.ts'
import type { AccountEvent } from '../../src/domain.ts'
import type { LogRecord } from '../../src/http/requestLog.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'

const EVENT: AccountEvent = {
  sequence: 1,
  id: 'evt_1',
  accountId: 'ca_1',
  userIdentifier: 'u',
  connectionId: 'conn_1',
  status: 'ACTIVE',
  oldStatus: 'PENDING_AUTH',
  occurredAt: new Date(0),
}

describe('createEventLog', () => {
  let store: Store
  beforeEach(async () => {
    store = await openSqliteStore(':memory:')
  })
  afterEach(() => store.close())

  it('tells every listener until it unsubscribes, also one that listens twice', () => {
    const log = createEventLog(store)
    const heard: string[] = []
    const listener = ({ id }: AccountEvent) => heard.push(id)
    const [first] = [log.subscribe(listener), log.subscribe(listener)]
    log.publish(EVENT)
    expect(heard).toHaveLength(2)
    first?.()
    log.publish(EVENT)
    expect(heard).toHaveLength(3)
  })

  it('tells the others when one listener fails, and logs that without what it said', () => {
    const lines: LogRecord[] = []
    const log = createEventLog(store, { log: (line) => lines.push(line) })
    const heard: string[] = []
    log.subscribe(() => {
      throw new TypeError('canary')
    })
    log.subscribe(({ id }) => heard.push(id))
    log.publish(EVENT)
    expect(heard).toEqual(['evt_1'])
    expect(lines).toMatchObject([{ level: 'error', error: 'TypeError', eventId: 'evt_1' }])
    expect(JSON.stringify(lines)).not.toContain('canary')
  })
})
