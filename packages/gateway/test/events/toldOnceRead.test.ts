import { describe, expect, it } from 'vitest'
import { toldOnceRead } from '../../src/assembly/toldOnceRead.ts'
import type { ChangeKind } from '../../src/domain.ts'
import { createChanges } from '../../src/events/changes.ts'

function openTold() {
  const all = createChanges()
  const reading = Promise.withResolvers<void>()
  const { changes, close } = toldOnceRead({ changes: all, registry: { reload: () => reading.promise } })
  const told: string[] = []
  changes.subscribe(({ kind, subject }) => void told.push(`${kind} ${subject}`))
  let sequence = 0
  const tell = (kind: ChangeKind) =>
    all.announce({ sequence: (sequence += 1), kind, subject: 'x', occurredAt: new Date(0) })
  return { tell, told, reading, close }
}

describe('toldOnceRead', () => {
  it.each(['user', 'instance', 'config'] as const)(
    'tells at once of what is no connection, such as of kind %s',
    (kind) => {
      const { tell, told } = openTold()
      tell(kind)
      expect(told).toEqual([`${kind} x`])
    },
  )

  it.each([
    ['was read', ({ resolve }: PromiseWithResolvers<void>) => resolve()],
    ['could not be read', ({ reject }: PromiseWithResolvers<void>) => reject(new Error('no store'))],
  ])('tells of a connection when it %s, and not before', async (_when, settle) => {
    const { tell, told, reading } = openTold()
    tell('connection')
    tell('user')
    expect(told).toEqual(['user x'])
    settle(reading)
    await reading.promise.catch(() => undefined)
    expect(told).toEqual(['user x', 'connection x'])
  })

  it('tells nothing once it is closed', () => {
    const { tell, told, close } = openTold()
    close()
    tell('user')
    expect(told).toEqual([])
  })
})
