import { beforeEach, describe, expect, it } from 'vitest'
import type { ConnectedAccount, McpInstance } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)

/** What the contract says of rows that belong to a user: nobody changes them in another one's name, and nothing outlives them. */
export function describeOwners(current: () => Store): void {
  describe("a user's rows", () => {
    let store: Store
    beforeEach(async () => {
      store = current()
      await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
      await store.accounts.insertMissing([anAccount('ca_u', 'u'), anAccount('ca_v', 'v')])
      for (const id of ['cfg_1', 'cfg_2']) {
        await store.configs.insert({ id, name: id, description: undefined, mappings: [], createdAt: AT, updatedAt: AT })
      }
      await store.instances.ensure(anInstance('ins_u', 'u'))
    })

    it('T69: an account is not deleted in the name of another user, nor once it has changed', async () => {
      for (const userIdentifier of ['v', 'U', 'u ', '']) {
        expect(await store.accounts.delete({ id: 'ca_u', userIdentifier, generation: 0 })).toBe(false)
      }
      expect(await store.accounts.delete({ id: 'ca_u', userIdentifier: 'u', generation: 1 })).toBe(false)
      expect(await store.accounts.delete({ id: 'ca_u', userIdentifier: 'u', generation: 0 })).toBe(true)
      expect(await store.accounts.get('ca_v')).toBeDefined()
    })

    it('T69: a URL is not replaced in the name of another user, nor twice from one version', async () => {
      const rotate = async (userIdentifier: string, version: number) =>
        await store.instances.rotateUrl({ id: 'ins_u', userIdentifier }, version, 'k2', LATER)
      expect([await rotate('v', 1), await rotate('u', 2)]).toEqual([false, false])
      const both = await Promise.all([rotate('u', 1), rotate('u', 1)])
      expect(both.filter(Boolean)).toHaveLength(1)
      expect(await store.instances.get('ins_u')).toMatchObject({ urlVersion: 2, urlKeyId: 'k2', updatedAt: LATER })
    })

    it('T69: the revocations of a user count for all configs, those of a config for that one, and neither for others', async () => {
      const epochs = async () =>
        await Promise.all(
          (
            [
              ['u', ''],
              ['u', 'cfg_1'],
              ['u', 'cfg_2'],
              ['v', 'cfg_1'],
            ] as const
          ).map(([user, config]) => store.revocations.epoch(user, config)),
        )
      await store.revocations.raise('u', undefined, AT)
      expect(await epochs()).toEqual([1, 1, 1, 0])
      await store.revocations.raise('u', 'cfg_1', AT)
      expect(await epochs()).toEqual([1, 2, 1, 0])
      await store.revocations.raise('u', undefined, LATER)
      expect(await epochs()).toEqual([2, 3, 2, 0])
    })

    it('one of two moves to the same config is refused, and neither fails', async () => {
      await store.instances.ensure({ ...anInstance('ins_2', 'u'), configId: 'cfg_2' })
      await store.configs.insert({
        id: 'cfg_3',
        name: 'cfg_3',
        description: undefined,
        mappings: [],
        createdAt: AT,
        updatedAt: AT,
      })
      const move = async (id: string) =>
        await store.instances.update({ id, userIdentifier: 'u' }, { name: id, configId: 'cfg_3', updatedAt: LATER })
      const moved = await Promise.all([move('ins_u'), move('ins_2')])
      expect(moved.filter(Boolean)).toHaveLength(1)
    })

    it('an attempt to authorize is not begun for a link that has gone with its account', async () => {
      const link = { id: 'lnk_1', accountId: 'ca_u', tokenHash: 'hash', createdAt: AT, expiresAt: LATER }
      await store.links.insert(link)
      const begin = async (stateHash: string) =>
        await store.flows.create({
          stateHash,
          linkId: 'lnk_1',
          accountId: 'ca_u',
          sealedAttempt: Uint8Array.of(1),
          browserHash: 'browser',
          expiresAt: LATER,
        })
      expect(await begin('one')).toBe(true)
      await store.accounts.delete({ id: 'ca_u', userIdentifier: 'u', generation: 0 })
      expect(await begin('two')).toBe(false)
      expect([await store.flows.find('one'), await store.flows.find('two')]).toEqual([undefined, undefined])
    })
  })
}

function anAccount(id: string, userIdentifier: string): ConnectedAccount {
  return {
    id,
    connectionId: 'conn_1',
    userIdentifier,
    status: 'PENDING_AUTH',
    generation: 0,
    createdAt: AT,
    updatedAt: AT,
  }
}

function anInstance(id: string, userIdentifier: string): McpInstance {
  return {
    id,
    name: id,
    configId: 'cfg_1',
    userIdentifier,
    urlVersion: 1,
    urlKeyId: 'k1',
    createdAt: AT,
    updatedAt: AT,
    lastUsedAt: undefined,
  }
}
