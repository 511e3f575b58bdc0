import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')

/** The part of the store's contract that connections made over the API need. */
export function describeConnections(store: () => Store): void {
  const ensure = (name: string) => store().connections.ensure({ id: `conn_${name}`, name, createdAt: AT })

  describe('connections', () => {
    it('lists only those that were defined, by name', async () => {
      for (const name of ['b', 'a', 'c']) await ensure(name)
      for (const name of ['b', 'a']) {
        expect(await store().connections.define({ id: `conn_${name}`, generation: 0 }, Uint8Array.of(1))).toBe(true)
      }
      const defined = await store().connections.listDefined()
      expect(defined.map(({ id, generation }) => [id, generation])).toEqual([
        ['conn_a', 1],
        ['conn_b', 1],
      ])
      expect(Uint8Array.from(defined[0]?.sealedDefinition ?? [])).toEqual(Uint8Array.of(1))
    })

    it('defines once for one generation when many write at the same moment', async () => {
      const id = await ensure('a')
      const key = { id, generation: 0 }
      const written = await Promise.all([1, 2, 3].map((n) => store().connections.define(key, Uint8Array.of(n))))
      expect(written.filter(Boolean)).toHaveLength(1)
      expect(await store().connections.get(id)).toMatchObject({ name: 'a', generation: 1 })
    })

    it('keeps the id of a name when its definition is gone', async () => {
      const id = await ensure('a')
      await store().connections.define({ id, generation: 0 }, Uint8Array.of(1))
      expect(await store().connections.define({ id, generation: 1 }, undefined)).toBe(true)
      expect(await store().connections.listDefined()).toEqual([])
      expect(await store().connections.ensure({ id: 'conn_other', name: 'a', createdAt: AT })).toBe(id)
      expect(await store().connections.get(id)).toMatchObject({ generation: 2, sealedDefinition: undefined })
      expect(await store().connections.get('conn_nobody')).toBeUndefined()
    })
  })
}
