import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCommit } from '../../src/accounts/commit.ts'
import type { AccountEvent, AccountStatus, ConnectedAccount } from '../../src/domain.ts'
import { createEventLog } from '../../src/events/eventLog.ts'
import { createGuardedFetch } from '../../src/http/guardedFetch.ts'
import { createOutboundPolicy } from '../../src/http/outboundPolicy.ts'
import type { LogRecord } from '../../src/http/requestLog.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { createVault } from '../../src/vault/vault.ts'
import { createWebhookRoom, type WebhookRoomOptions } from '../../src/webhooks/webhookRoom.ts'
import { aRing } from '../keys/ring.ts'

export const START = Date.parse('2026-07-28T10:00:00.000Z')
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export interface WorldOptions extends Partial<Omit<WebhookRoomOptions, 'store'>> {
  readonly store?: Store
}

/** The webhooks of a gateway on a loopback address, on a clock that the test moves, with the real guarded fetch. */
export async function openWorld({ store: given, ...overrides }: WorldOptions = {}) {
  let now = START
  const clock = overrides.clock ?? (() => now)
  const lines: LogRecord[] = []
  const store = given ?? (await openSqliteStore(':memory:'))
  const vault = createVault(aRing(['k1', 2]))
  const fetch = createGuardedFetch({ allowLoopback: true })
  const events = createEventLog(store)
  const commit = createCommit({ store, publish: events.publish, announce: () => undefined })
  const room = await createWebhookRoom({
    store,
    vault,
    fetch,
    events,
    clock,
    statusEvents: ({ id, sequence, userIdentifier, status }) => ({ id, sequence, user: userIdentifier, status }),
    webhooks: [],
    checkUrl: createOutboundPolicy({ allowLoopback: true }).checkUrl,
    log: (line) => lines.push(line),
    random: () => 0,
    // So that a clock that was moved is soon seen.
    pollMs: 2,
    ...overrides,
  })
  let happened = 0

  async function close(): Promise<void> {
    await room.close()
    await fetch.close()
    if (given === undefined) await store.close()
  }
  return {
    ...room,
    store,
    vault,
    lines,
    advance: (milliseconds: number) => {
      now += milliseconds
    },
    /** Something happens to somebody's account. Gives the id of the event. */
    happen: async (status: AccountStatus = 'ACTIVE'): Promise<string> => {
      happened++
      const told: AccountEvent[] = []
      const unsubscribe = events.subscribe((event) => told.push(event))
      await commit(async (_inner, { record }) => await record(anAccount(`u${happened}`), status, new Date(clock())))
      unsubscribe()
      return told[0]?.id ?? ''
    },
    delivery: async (endpointId: string, eventId: string) => await store.webhooks.delivery(endpointId, eventId),
    close,
    [Symbol.asyncDispose]: close,
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

function anAccount(userIdentifier: string): ConnectedAccount {
  const at = new Date(START)
  return {
    id: `ca_${userIdentifier}`,
    connectionId: 'conn_1',
    userIdentifier,
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: at,
    updatedAt: at,
  }
}

/** Where a database file may lie. */
export async function temporaryDatabase() {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-webhooks-'))
  return {
    folder,
    path: join(folder, 'latchkey.db'),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }),
  }
}
