import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLastUsed, type LastUsed } from '../../src/accounts/lastUsed.ts'
import { openRooms, START, type Rooms } from '../control/openRooms.ts'

describe('createLastUsed', () => {
  let rooms: Rooms
  let lastUsed: LastUsed
  let now: number
  beforeEach(async () => {
    rooms = await openRooms()
    now = START
    lastUsed = createLastUsed({ store: rooms.store, clock: () => now, everyMs: 3_600_000 })
  })
  afterEach(async () => {
    await lastUsed.close()
    await rooms.close()
  })
  const ensure = async (user: string) =>
    (await rooms.instances.ensure(await rooms.configs.requireByName('reader'), user)).id
  const timeOf = async (id: string) => (await rooms.instances.get(id))?.lastUsedAt?.getTime()

  it('writes the last use of each instance when it is time, and nothing before', async () => {
    const [used, unused] = [await ensure('u'), await ensure('v')]
    lastUsed.note(used)
    now += 5_000
    lastUsed.note(used)
    now += 5_000
    expect(await timeOf(used)).toBeUndefined()
    await lastUsed.flush()
    expect([await timeOf(used), await timeOf(unused)]).toEqual([START + 5_000, undefined])
  })

  it('writes what is left when it is closed', async () => {
    const id = await ensure('u')
    lastUsed.note(id)
    await lastUsed.close()
    expect(await timeOf(id)).toBe(START)
  })

  it('writes early rather than remember without end', async () => {
    const id = await ensure('u')
    lastUsed.note(id)
    for (let index = 1; index < 10_000; index += 1) lastUsed.note(`ins_${index}`)
    await lastUsed.flush()
    expect(await timeOf(id)).toBe(START)
  })

  it('goes on where the store fails, for it is good to know and no more', async () => {
    const id = await ensure('u')
    const failing = { instances: { touch: () => Promise.reject(new Error('no store')) } }
    const other = createLastUsed({ store: failing, clock: () => now })
    other.note(id)
    await expect(other.close()).resolves.toBeUndefined()
  })
})
