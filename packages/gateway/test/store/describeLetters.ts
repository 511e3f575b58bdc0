import { describe, expect, it } from 'vitest'
import type { McpConfig } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')

/** Which letters filters tell apart, and how names are sorted: the same on every database, whatever its language. */
export function describeLetters(current: () => Store): void {
  describe('filters', () => {
    it('take the letters A to Z in any case, and all others as they are', async () => {
      const store = current()
      for (const name of ['ÉCOLE', 'école', 'Straße']) await store.configs.insert(aConfig(name, 'x'))
      const names = async (search: string) =>
        (await store.configs.list({ search, limit: 10 })).map((config) => config.name)
      expect(await names('éCOLE')).toEqual(['école'])
      expect(await names('ÉCole')).toEqual(['ÉCOLE'])
      expect(await names('STRAßE')).toEqual(['Straße'])
    })

    it('sort by bytes: capitals first, other letters last', async () => {
      const store = current()
      for (const name of ['b', 'é', 'a', 'B', 'z']) await store.configs.insert(aConfig(name, 'x'))
      expect((await store.configs.list({ limit: 10 })).map(({ name }) => name)).toEqual(['B', 'a', 'b', 'z', 'é'])
    })
  })

  describe('texts', () => {
    it.each(['a\u0000b', 'a\ud800b'])('are refused where they cannot be kept as they are: %j', async (text) => {
      const refused = { code: 'invalid_request' }
      await expect(current().configs.insert(aConfig(text, 'x'))).rejects.toMatchObject(refused)
      await expect(current().configs.getByName(text)).rejects.toMatchObject(refused)
      await expect(current().configs.list({ search: text, limit: 1 })).rejects.toMatchObject(refused)
    })
  })
}

function aConfig(name: string, description: string): McpConfig {
  return { id: `cfg_${name}`, name, description, mappings: [], createdAt: AT, updatedAt: AT }
}
