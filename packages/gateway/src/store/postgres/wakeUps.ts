import { sql, type RawBuilder } from 'kysely'
import type { Client } from 'pg'
import type { Secret } from '../../secret.ts'
import { connectClient } from './client.ts'

const CHANNEL = 'latchkey'

/** Wakes everybody who listens when the transaction that inserted commits. Nothing is said but that there is something. */
export function wakeUpAfterInsert(table: string): readonly RawBuilder<unknown>[] {
  return [
    sql`
      create or replace function latchkey_wake_up() returns trigger language plpgsql as
      $$ begin perform pg_notify('latchkey', ''); return null; end $$
    `,
    sql`
      create trigger ${sql.raw(`${table}_wake_up`)} after insert on ${sql.table(table)}
      for each statement execute function latchkey_wake_up()
    `,
  ]
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

export interface WakeUpListener {
  readonly onWakeUp: () => void
  /** Called with true whenever it is connected, and with false when that is lost. */
  readonly onState: (isListening: boolean) => void
}

/**
 * Listens on a connection of its own, and connects again, ever more slowly, when that is lost. What was said meanwhile is
 * lost too, so whoever listens is woken up each time that it is connected.
 */
export function listenForWakeUps(url: Secret, { onWakeUp, onState }: WakeUpListener): () => Promise<void> {
  let isOver = false
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = FIRST_PAUSE_MS
  let connecting = connect()

  async function connect(): Promise<void> {
    try {
      client = await connectClient(url, retry)
      client.on('notification', onWakeUp)
      await client.query(`listen ${CHANNEL}`)
      pauseMs = FIRST_PAUSE_MS
      onState(true)
      onWakeUp()
    } catch {
      // What could not listen is of no use; where it has not even connected, nothing has told of the end.
      if (client === undefined) retry()
      else await client.end().catch(() => {})
    }
  }

  function retry(): void {
    client = undefined
    onState(false)
    if (isOver) return
    clearTimeout(timer)
    timer = setTimeout(() => void (connecting = connect()), pauseMs).unref()
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }

  return async () => {
    isOver = true
    clearTimeout(timer)
    await connecting
    await client?.end().catch(() => {})
  }
}
