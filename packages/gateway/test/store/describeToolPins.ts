import { beforeEach, describe, expect, it } from 'vitest'
import type { ToolPin } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date('2026-07-28T11:00:00.000Z')

/** What every store keeps of the definitions of tools. */
export function describeToolPins(opened: () => Store): void {
  describe('toolPins', () => {
    let connectionId: string
    beforeEach(async () => {
      connectionId = await opened().connections.ensure({ id: 'conn_pins', name: 'pins', createdAt: AT })
      await opened().connections.ensure({ id: 'conn_other', name: 'other-pins', createdAt: AT })
    })

    const pinOf = (tool: string, digest: string, change: Partial<ToolPin> = {}): ToolPin => ({
      id: `${connectionId} ${JSON.stringify(tool)} ${digest}`,
      connectionId,
      tool,
      digest,
      state: 'quarantined',
      definition: `{"name":${JSON.stringify(tool)}}`,
      seenAt: AT,
      decidedAt: undefined,
      ...change,
    })

    it('begins once, whoever asks', async () => {
      const begun = await Promise.all([1, 2, 3].map(() => opened().toolPins.begin(connectionId, AT)))
      expect(begun.filter(Boolean)).toHaveLength(1)
    })

    it('keeps a pin as it was given, with any name, and the first of two', async () => {
      const { toolPins } = opened()
      const odd = pinOf('\u0000"\ud800 é', 'd1', { id: 'odd', definition: undefined })
      expect(await toolPins.insertMissing([odd])).toEqual([odd])
      expect(await toolPins.insertMissing([{ ...odd, state: 'approved' }])).toEqual([])
      expect(await toolPins.get('odd')).toEqual(odd)
    })

    it('gives what is approved, and lists by tool, of one connection', async () => {
      const { toolPins } = opened()
      const pins = [pinOf('b', 'd2'), pinOf('a', 'd1', { state: 'approved' }), pinOf('c', 'd3')]
      await toolPins.insertMissing(pins)
      await toolPins.insertMissing([
        pinOf('a', 'd9', { id: 'elsewhere', connectionId: 'conn_other', state: 'approved' }),
      ])
      expect(await toolPins.approved(connectionId)).toEqual([{ tool: 'a', digest: 'd1' }])
      const tools = async (query: object) =>
        (await toolPins.list({ connectionId, limit: 10, ...query })).map(({ tool }) => tool)
      expect(await tools({})).toEqual(['a', 'b', 'c'])
      expect(await tools({ state: 'quarantined' })).toEqual(['b', 'c'])
      expect(await tools({ after: pins[0]?.id })).toEqual(['c'])
      expect(await tools({ before: pins[2]?.id, limit: 1 })).toEqual(['b'])
      expect(await toolPins.count({ connectionId, state: 'quarantined' })).toBe(2)
    })

    it('changes a state once, and says when', async () => {
      const { toolPins } = opened()
      const pin = pinOf('a', 'd1')
      await toolPins.insertMissing([pin])
      expect(await toolPins.decide(pin.id, 'approved', LATER)).toBe(true)
      expect(await toolPins.decide(pin.id, 'approved', LATER)).toBe(false)
      expect(await toolPins.decide('nobody', 'approved', LATER)).toBe(false)
      expect(await toolPins.get(pin.id)).toEqual({ ...pin, state: 'approved', decidedAt: LATER })
    })
  })
}
