import { describe, expect, it } from 'vitest'
import type { McpConfig } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')

/** What every store keeps about work that is exclusive, and about the letters that filters do not tell apart. */
export function describeExclusively(current: () => Store): void {
  describe('exclusively', () => {
    it('runs one work of a key at a time, each after what the one before it wrote', async () => {
      const store = current()
      await store.configs.insert(aConfig('agent', '0'))
      let running = 0
      const increment = () =>
        store.exclusively('key', async (inner) => {
          running += 1
          expect(running).toBe(1)
          const before = Number((await inner.configs.get('cfg_agent'))?.description)
          await inner.transaction((part) => describeConfig(part, String(before + 1)))
          running -= 1
        })
      await Promise.all(Array.from({ length: 50 }, increment))
      expect((await store.configs.get('cfg_agent'))?.description).toBe('50')
    })

    it('lets work of other keys go on meanwhile', async () => {
      const meeting = Promise.withResolvers<void>()
      const works = [
        current().exclusively('a', async () => await meeting.promise),
        current().exclusively('b', async () => meeting.resolve()),
      ]
      expect(await Promise.all(works)).toHaveLength(2)
    })

    it('lets transactions and reading go on meanwhile', async () => {
      const store = current()
      await store.exclusively('key', async (inner) => {
        await inner.configs.getByName('agent')
        await store.transaction(async (other) => void (await other.configs.insert(aConfig('agent', 'x'))))
        expect(await inner.configs.getByName('agent')).toBeDefined()
      })
    })

    it('gives what work gives, and lets the key go when work fails', async () => {
      const failing = current().exclusively('key', () => Promise.reject(new Error('no')))
      await expect(failing).rejects.toThrow('no')
      expect(await current().exclusively('key', () => Promise.resolve('done'))).toBe('done')
    })

    it('goes on after a transaction that fails, of which nothing is kept', async () => {
      const store = current()
      await store.exclusively('key', async (inner) => {
        const failing = inner.transaction(async (part) => {
          await part.configs.insert(aConfig('first', 'x'))
          await part.instances.ensure({ ...anInstance, configId: 'cfg_none' })
        })
        await expect(failing).rejects.toThrow(/foreign key/i)
        await inner.transaction(async (part) => void (await part.configs.insert(aConfig('second', 'x'))))
      })
      expect(await store.configs.getByName('first')).toBeUndefined()
      expect(await store.configs.getByName('second')).toBeDefined()
    })

    it('gives what it appends to the logs a place', async () => {
      const store = current()
      const change = await store.exclusively('key', (inner) =>
        inner.changes.append({ kind: 'config', subject: 'cfg_a', occurredAt: AT }),
      )
      expect(await store.changes.after(0, 10)).toEqual([change])
    })
  })

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
}

async function describeConfig(store: Store, description: string): Promise<void> {
  await store.configs.update('cfg_agent', { description, mappings: [], updatedAt: AT })
}

function aConfig(name: string, description: string): McpConfig {
  return { id: `cfg_${name}`, name, description, mappings: [], createdAt: AT, updatedAt: AT }
}

const anInstance = {
  id: 'ins_1',
  name: 'An instance',
  userIdentifier: 'u',
  urlVersion: 1,
  urlKeyId: 'k1',
  createdAt: AT,
  updatedAt: AT,
  lastUsedAt: undefined,
}
