import { beforeEach, describe, expect, it } from 'vitest'
import type { ConnectedAccount, McpInstance } from '../../src/domain.ts'
import type { PlaceQuery, Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const IDS = ['a', 'b', 'c', 'd', 'e']

/** Part of the store's contract: what is listed comes by its key, from both sides, and with every filter. */
export function describeLists(openStore: () => Store): void {
  describe('lists', () => {
    beforeEach(async () => {
      const store = openStore()
      for (const name of ['mail', 'search']) await store.connections.ensure({ id: name, name, createdAt: AT })
      for (const id of IDS) {
        const mappings = [{ connectionId: id < 'c' ? 'mail' : 'search', tools: undefined }]
        const config = { id, name: `name ${id}`, description: undefined, mappings, createdAt: AT, updatedAt: AT }
        await store.configs.insert(config)
        await store.instances.ensure(anInstance(id))
      }
      await store.accounts.insertMissing(IDS.map(anAccount))
    })

    type List = (place: PlaceQuery) => Promise<readonly { readonly id: string }[]>
    it.each<[string, (store: Store) => List, (id: string) => string]>([
      ['configs', (store) => (place) => store.configs.list(place), (id) => `name ${id}`],
      ['instances', (store) => (place) => store.instances.list(place), (id) => id],
      ['accounts', (store) => (place) => store.accounts.list(place), (id) => id],
    ])('gives the %s after a key and the last ones before one, in order', async (_, listOf, key) => {
      const list = listOf(openStore())
      const ids = async (place: PlaceQuery) => (await list(place)).map(({ id }) => id).join('')
      expect(await ids({ limit: 3 })).toBe('abc')
      expect(await ids({ after: key('b'), limit: 2 })).toBe('cd')
      expect(await ids({ before: key('d'), limit: 2 })).toBe('bc')
      expect(await ids({ before: key('a'), limit: 2 })).toBe('')
      expect(await ids({ after: key('e'), limit: 2 })).toBe('')
      // A key that has gone is a place nevertheless.
      expect(await ids({ after: key('bb'), limit: 1 })).toBe('c')
    })

    it('finds configs by the connections that they use', async () => {
      const { configs } = openStore()
      expect(await configs.count({ connectionIds: ['mail'] })).toBe(2)
      expect(await configs.count({ connectionIds: ['mail', 'search'] })).toBe(5)
      expect(await configs.count({ connectionIds: [] })).toBe(0)
      expect((await configs.list({ connectionIds: ['mail'], after: 'name a', limit: 9 })).map(({ id }) => id)).toEqual([
        'b',
      ])
    })

    it('finds instances by config, by user, by the beginning of the name and by words', async () => {
      const { instances } = openStore()
      expect(await instances.count({})).toBe(5)
      expect(await instances.count({ configId: 'a' })).toBe(1)
      expect(await instances.count({ userIdentifier: 'user_b' })).toBe(1)
      expect(await instances.count({ userIdentifier: 'user_' })).toBe(0)
      expect(await instances.count({ namePrefix: 'INSTANCE' })).toBe(5)
      expect(await instances.count({ namePrefix: 'stance' })).toBe(0)
      expect(await instances.count({ search: 'SER_C' })).toBe(1)
      expect(await instances.count({ search: '%' })).toBe(0)
      expect(await instances.count({ id: 'a', configId: 'b' })).toBe(0)
    })

    it('finds accounts by id, by connection, by user and by status', async () => {
      const { accounts } = openStore()
      expect(await accounts.count({ id: 'a' })).toBe(1)
      expect(await accounts.count({ connectionIds: ['mail'] })).toBe(2)
      expect(await accounts.count({ connectionIds: [] })).toBe(0)
      expect(await accounts.count({ userIdentifier: 'user_a', status: 'PENDING_AUTH' })).toBe(1)
      expect(await accounts.count({ status: 'ACTIVE' })).toBe(0)
    })

    it('changes and deletes an instance only under its own user', async () => {
      const { instances } = openStore()
      const change = { name: 'new', configId: 'a', updatedAt: AT }
      expect(await instances.update({ id: 'a', userIdentifier: 'user_b' }, change)).toBe(false)
      expect(await instances.delete({ id: 'a', userIdentifier: 'user_b' })).toBe(false)
      expect(await instances.update({ id: 'a', userIdentifier: 'user_a' }, change)).toBe(true)
      expect((await instances.get('a'))?.name).toBe('new')
      expect(await instances.delete({ id: 'a', userIdentifier: 'user_a' })).toBe(true)
      expect(await instances.get('a')).toBeUndefined()
    })

    it('moves an instance to another config unless the user has one of it', async () => {
      const { instances } = openStore()
      await instances.ensure({ ...anInstance('a'), id: 'second', configId: 'b' })
      const key = { id: 'a', userIdentifier: 'user_a' }
      expect(await instances.update(key, { name: 'n', configId: 'b', updatedAt: AT })).toBe(false)
      expect(await instances.update(key, { name: 'n', configId: 'c', updatedAt: AT })).toBe(true)
      expect((await instances.find('c', 'user_a'))?.id).toBe('a')
    })

    it('takes the instances of a config along when it is deleted', async () => {
      const store = openStore()
      expect(await store.configs.delete('a')).toBe(true)
      expect(await store.configs.delete('a')).toBe(false)
      expect(await store.instances.get('a')).toBeUndefined()
      expect(await store.instances.count({})).toBe(4)
    })

    it('notes when instances were used, and never moves the time back', async () => {
      const { instances } = openStore()
      const later = new Date(AT.getTime() + 1_000)
      await instances.touch(['a', 'b', 'gone'], later)
      await instances.touch(['b'], AT)
      const times = await Promise.all(['a', 'b', 'c'].map(async (id) => (await instances.get(id))?.lastUsedAt))
      expect(times).toEqual([later, later, undefined])
    })
  })
}

function anInstance(configId: string): McpInstance {
  const user = `user_${configId}`
  return {
    id: configId,
    name: `Instance ${configId}`,
    configId,
    userIdentifier: user,
    urlVersion: 1,
    urlKeyId: 'k1',
    createdAt: AT,
    updatedAt: AT,
    lastUsedAt: undefined,
  }
}

function anAccount(id: string): ConnectedAccount {
  return {
    id,
    connectionId: id < 'c' ? 'mail' : 'search',
    userIdentifier: `user_${id}`,
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: AT,
    updatedAt: AT,
  }
}
