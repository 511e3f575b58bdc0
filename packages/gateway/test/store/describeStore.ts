import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, ConnectedAccount, McpConfig, McpInstance } from '../../src/domain.ts'
import type { AuthFlow, Store } from '../../src/store/store.ts'
import { describeAudit } from './describeAudit.ts'
import { describeLetters } from './describeLetters.ts'
import { describeLocks } from './describeLocks.ts'
import { describeIdempotency } from './describeIdempotency.ts'
import { describeConnections } from './describeConnections.ts'
import { describeLists } from './describeLists.ts'
import { describeOwners } from './describeOwners.ts'
import { describePendingRevocations } from './describePendingRevocations.ts'
import { describeScopeRequests } from './describeScopeRequests.ts'
import { describeSealed } from './describeSealed.ts'
import { describeToolPins } from './describeToolPins.ts'
import { describeVerifications } from './describeVerifications.ts'
import { describeFeed } from './describeFeed.ts'
import { describeWebhooks } from './describeWebhooks.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)

/** Identifiers that have been confused with one another, or with something that the language already has. */
const AWKWARD_IDENTIFIERS = [
  '__proto__',
  'constructor',
  'toString',
  'a',
  'A',
  'a ',
  'a:b',
  'a:b:c',
  'é',
  "'; drop table instances; --",
  '100%_\\',
  '🗝️',
]

/** The contract that every store keeps. `open` gives an empty one. */
export function describeStore(name: string, open: () => Promise<Store>): void {
  // oxlint-disable-next-line vitest/valid-title -- each store gives its name
  describe(name, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    describeWebhooks(() => store)
    describeIdempotency(() => store)
    describeConnections(() => store)
    describeLists(() => store)
    describeFeed(() => store)
    describeVerifications(() => store)
    describePendingRevocations(() => store)
    describeSealed(() => store)
    describeLetters(() => store)
    describeLocks(() => store)
    describeAudit(() => store)
    describeToolPins(() => store)
    describeScopeRequests(() => store)
    describeOwners(() => store)

    describe('connections', () => {
      it('gives the same id for a name, however often it is asked', async () => {
        const first = await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
        const second = await store.connections.ensure({ id: 'conn_2', name: 'mail', createdAt: LATER })
        expect([first, second]).toEqual(['conn_1', 'conn_1'])
      })

      it('tells names apart by every character', async () => {
        await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: AT })
        expect(await store.connections.ensure({ id: 'conn_2', name: 'mail-2', createdAt: AT })).toBe('conn_2')
      })
    })

    describe('configs', () => {
      it('gives back what was put in, mappings in their order', async () => {
        const config = aConfig('agent', {
          description: 'Reads mail',
          mappings: [
            { connectionId: 'z', tools: ['search_mail', '__proto__'] },
            { connectionId: 'a', tools: undefined },
            { connectionId: 'm', tools: [] },
          ],
        })
        expect(await store.configs.insert(config)).toBe(true)
        expect(await store.configs.get(config.id)).toEqual(config)
        expect(await store.configs.getByName('agent')).toEqual(config)
      })

      it.each(AWKWARD_IDENTIFIERS)('keeps a config named %j apart from all others', async (configName) => {
        expect(await store.configs.getByName(configName)).toBeUndefined()
        for (const [index, other] of AWKWARD_IDENTIFIERS.entries()) {
          await store.configs.insert(aConfig(other, { id: `cfg_${index}` }))
        }
        expect((await store.configs.getByName(configName))?.name).toBe(configName)
      })

      it('refuses a second config of the same name and leaves the first as it is', async () => {
        await store.configs.insert(aConfig('agent', { description: 'first' }))
        expect(await store.configs.insert(aConfig('agent', { id: 'cfg_other', description: 'second' }))).toBe(false)
        expect((await store.configs.getByName('agent'))?.description).toBe('first')
      })

      it('replaces description and mappings, and says when there is nothing to replace', async () => {
        const config = aConfig('agent', { description: 'first' })
        await store.configs.insert(config)
        const change = { description: undefined, mappings: [{ connectionId: 'a', tools: ['t'] }], updatedAt: LATER }
        expect(await store.configs.update(config.id, change)).toBe(true)
        expect(await store.configs.get(config.id)).toEqual({ ...config, ...change })
        expect(await store.configs.update('cfg_none', change)).toBe(false)
      })

      it('lists by name, a page at a time', async () => {
        for (const configName of ['c', 'a', 'b']) await store.configs.insert(aConfig(configName))
        const names = async (after?: string) =>
          (await store.configs.list({ after, limit: 2 })).map((config) => config.name)
        expect(await names()).toEqual(['a', 'b'])
        expect(await names('b')).toEqual(['c'])
        expect(await store.configs.count({})).toBe(3)
      })

      it('filters by the beginning of the name and by words, taking wildcards as they are written', async () => {
        for (const configName of ['Email-agent', 'email_agent', 'emailXagent', 'calendar']) {
          await store.configs.insert(aConfig(configName, { description: configName === 'calendar' ? '50% Mail' : '' }))
        }
        const names = async (filter: { namePrefix?: string; search?: string }) =>
          (await store.configs.list({ ...filter, limit: 10 })).map((config) => config.name)
        expect(await names({ namePrefix: 'EMAIL' })).toEqual(['Email-agent', 'emailXagent', 'email_agent'])
        expect(await names({ namePrefix: 'email_' })).toEqual(['email_agent'])
        expect(await names({ search: '50% m' })).toEqual(['calendar'])
        expect(await store.configs.count({ search: 'agent' })).toBe(3)
      })
    })

    describe('instances', () => {
      beforeEach(async () => {
        await store.configs.insert(aConfig('agent', { id: 'cfg_a' }))
        await store.configs.insert(aConfig('other', { id: 'cfg_b' }))
      })

      it('keeps one instance of a config and a user under 1,000 concurrent ensures', async () => {
        const ensured = await Promise.all(
          Array.from({ length: 1_000 }, (_, index) => store.instances.ensure(anInstance(`ins_${index}`, 'cfg_a', 'u'))),
        )
        expect(new Set(ensured.map((instance) => instance.id)).size).toBe(1)
        expect(await store.instances.find('cfg_a', 'u')).toEqual(ensured[0])
      })

      it('gives every awkward user identifier an instance of its own in every config', async () => {
        const wanted = AWKWARD_IDENTIFIERS.flatMap((user, index) => [
          anInstance(`ins_a${index}`, 'cfg_a', user),
          anInstance(`ins_b${index}`, 'cfg_b', user),
        ])
        for (const instance of wanted) await store.instances.ensure(instance)
        for (const instance of wanted) {
          expect(await store.instances.find(instance.configId, instance.userIdentifier)).toEqual(instance)
          expect(await store.instances.get(instance.id)).toEqual(instance)
        }
      })

      it('finds nothing for a user who has none', async () => {
        await store.instances.ensure(anInstance('ins_1', 'cfg_a', 'a'))
        expect(await store.instances.find('cfg_a', 'b')).toBeUndefined()
        expect(await store.instances.find('cfg_b', 'a')).toBeUndefined()
        expect(await store.instances.get('ins_2')).toBeUndefined()
      })

      it('refuses an instance of a config that does not exist', async () => {
        await expect(store.instances.ensure(anInstance('ins_1', 'cfg_none', 'a'))).rejects.toThrow(/foreign key/i)
      })
    })

    describe('accounts', () => {
      beforeEach(async () => {
        for (const id of ['mail', 'calendar']) await store.connections.ensure({ id, name: id, createdAt: AT })
      })

      it('keeps one account of a connection and a user under concurrent inserts', async () => {
        const attempts = Array.from({ length: 100 }, (_, index) => anAccount(`ca_${index}`, 'mail', 'u'))
        await Promise.all(attempts.map((account) => store.accounts.insertMissing([account])))
        const kept = await store.accounts.listForUser('u', ['mail', 'calendar'])
        expect(kept).toHaveLength(1)
      })

      it('lists the accounts of that user and of those connections, and no others', async () => {
        const users = AWKWARD_IDENTIFIERS
        await store.accounts.insertMissing(
          users.flatMap((user, index) => [
            anAccount(`ca_m${index}`, 'mail', user),
            anAccount(`ca_c${index}`, 'calendar', user),
          ]),
        )
        for (const user of users) {
          const accounts = await store.accounts.listForUser(user, ['mail'])
          expect(accounts.map(({ userIdentifier, connectionId }) => [userIdentifier, connectionId])).toEqual([
            [user, 'mail'],
          ])
        }
        expect(await store.accounts.listForUser('a', [])).toEqual([])
      })

      it('writes a credential and raises the generation for exactly one of many writers', async () => {
        await store.accounts.insertMissing([anAccount('ca_1', 'mail', 'u')])
        const key = { id: 'ca_1', userIdentifier: 'u', generation: 0 }
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            store.accounts.setCredential(key, { sealed: Uint8Array.of(index), status: 'ACTIVE', at: LATER }),
          ),
        )
        expect(results.filter(Boolean)).toHaveLength(1)
        const read = await store.accounts.readCredential('ca_1')
        expect(read?.account).toMatchObject({ generation: 1, status: 'ACTIVE', hasCredential: true, updatedAt: LATER })
        expect([...read!.sealed]).toEqual([results.indexOf(true)])
      })

      it("changes a status only under the account's user and generation", async () => {
        await store.accounts.insertMissing([anAccount('ca_1', 'mail', 'u')])
        const key = { id: 'ca_1', userIdentifier: 'u', generation: 0 }
        expect(await store.accounts.setStatus({ ...key, userIdentifier: 'v' }, 'EXPIRED', LATER)).toBe(false)
        expect(await store.accounts.setStatus({ ...key, generation: 1 }, 'EXPIRED', LATER)).toBe(false)
        expect(await store.accounts.get('ca_1')).toMatchObject({ status: 'PENDING_AUTH', updatedAt: AT })
        expect(await store.accounts.setStatus(key, 'EXPIRED', LATER)).toBe(true)
        expect(await store.accounts.get('ca_1')).toMatchObject({ status: 'EXPIRED', generation: 0, updatedAt: LATER })
      })

      it('writes a credential only under its own user', async () => {
        await store.accounts.insertMissing([anAccount('ca_1', 'mail', 'u')])
        const change = { sealed: Uint8Array.of(1), status: 'ACTIVE', at: LATER } as const
        const key = { id: 'ca_1', userIdentifier: 'v', generation: 0 }
        expect(await store.accounts.setCredential(key, change)).toBe(false)
        expect(await store.accounts.readCredential('ca_1')).toBeUndefined()
      })
    })

    describe('links', () => {
      beforeEach(() => withAccount(store))

      it('is used up exactly once by 100 at the same time', async () => {
        await store.links.insert(aLink('lnk_1'))
        const results = await Promise.all(Array.from({ length: 100 }, () => store.links.consume('lnk_1', AT)))
        expect(results.filter(Boolean)).toHaveLength(1)
        expect((await store.links.findByTokenHash('hash of lnk_1'))?.usedAt).toEqual(AT)
      })

      it('cannot be used from the moment at which it expires', async () => {
        await store.links.insert(aLink('lnk_1'))
        expect(await store.links.consume('lnk_1', LATER)).toBe(false)
        expect(await store.links.consume('lnk_1', new Date(LATER.getTime() - 1))).toBe(true)
      })

      it('is forgotten, with its flows, some time after it expired', async () => {
        await store.links.insert(aLink('lnk_1'))
        await store.flows.create(aFlow('state', 'lnk_1'))
        await store.forgetExpired(LATER)
        expect(await store.links.get('lnk_1')).toBeDefined()
        expect(await store.flows.find('state')).toBeDefined()
        await store.forgetExpired(new Date(LATER.getTime() + 1))
        expect(await store.links.get('lnk_1')).toBeUndefined()
        expect(await store.flows.find('state')).toBeUndefined()
      })
    })

    describe('flows', () => {
      beforeEach(async () => {
        await withAccount(store)
        await store.links.insert(aLink('lnk_1'))
      })

      it('gives back what was put in', async () => {
        const flow = aFlow('state', 'lnk_1')
        await store.flows.create(flow)
        const found = await store.flows.find('state')
        expect({ ...found, sealedAttempt: [...found!.sealedAttempt] }).toEqual({
          ...flow,
          sealedAttempt: [1, 2, 3],
          consumed: false,
        })
      })

      it('is consumed exactly once by 100 at the same time, and says so afterwards', async () => {
        await store.flows.create(aFlow('state', 'lnk_1'))
        const results = await Promise.all(Array.from({ length: 100 }, () => store.flows.consume('state')))
        expect(results.filter(Boolean)).toHaveLength(1)
        expect((await store.flows.find('state'))?.consumed).toBe(true)
      })

      it('does not consume what does not exist', async () => {
        expect(await store.flows.consume('state')).toBe(false)
      })
    })

    describe('registrations', () => {
      const key = { issuer: 'https://as.example', redirectUri: 'https://latchkey.example/oauth/callback' }

      it('keeps the first of many and gives it to all', async () => {
        const kept = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            store.registrations.put(key, { clientId: `client_${index}`, metadata: { index } }),
          ),
        )
        expect(new Set(kept.map((registration) => registration.clientId)).size).toBe(1)
        expect(await store.registrations.get(key)).toEqual(kept[0])
      })

      it('keeps issuers and redirect URIs apart', async () => {
        await store.registrations.put(key, { clientId: 'one', metadata: {}, sealedClientSecret: Uint8Array.of(7) })
        expect(await store.registrations.get({ ...key, issuer: `${key.issuer}/` })).toBeUndefined()
        expect(await store.registrations.get({ ...key, redirectUri: `${key.redirectUri}/` })).toBeUndefined()
        expect([...(await store.registrations.get(key))!.sealedClientSecret!]).toEqual([7])
      })

      it('forgets one only under its own client id', async () => {
        await store.registrations.put(key, { clientId: 'one', metadata: {} })
        await store.registrations.remove(key, 'two')
        expect(await store.registrations.get(key)).toBeDefined()
        await store.registrations.remove(key, 'one')
        expect(await store.registrations.get(key)).toBeUndefined()
      })
    })

    describe('events', () => {
      it('numbers events in order, starting from none', async () => {
        expect(await store.events.latestSequence()).toBe(0)
        const first = await store.events.append(anEvent('evt_1', 'u'))
        const second = await store.events.append(anEvent('evt_2', 'u'))
        expect(second.sequence).toBeGreaterThan(first.sequence)
        expect(await store.events.latestSequence()).toBe(second.sequence)
      })

      it("gives one user's events after a place, oldest first, at most as many as asked for", async () => {
        for (const id of ['evt_1', 'evt_2', 'evt_3']) {
          await store.events.append(anEvent(id, 'u'))
          await store.events.append(anEvent(`${id}_v`, 'v'))
        }
        const all = await store.events.after(0, 'u', 10)
        expect(all.map((event) => event.id)).toEqual(['evt_1', 'evt_2', 'evt_3'])
        const [first] = all
        expect(first).toEqual({ sequence: first?.sequence, ...anEvent('evt_1', 'u') })
        expect((await store.events.after(first?.sequence ?? 0, 'u', 1)).map((event) => event.id)).toEqual(['evt_2'])
      })
    })

    describe('settings', () => {
      it('keeps the first value of a name', async () => {
        await store.settings.putIfAbsent('canary/k1', Uint8Array.of(1))
        expect([...(await store.settings.putIfAbsent('canary/k1', Uint8Array.of(2)))]).toEqual([1])
        await store.settings.putIfAbsent('canaryXk2', Uint8Array.of(3))
        expect((await store.settings.list('canary/')).map(({ name: setting }) => setting)).toEqual(['canary/k1'])
      })
    })

    describe('transaction', () => {
      it('keeps nothing when it fails', async () => {
        const failing = store.transaction(async (inner) => {
          await inner.events.append(anEvent('evt_1', 'u'))
          throw new Error('no')
        })
        await expect(failing).rejects.toThrow('no')
        expect(await store.events.after(0, 'u', 10)).toEqual([])
      })

      it('lets no other write in between', async () => {
        await store.configs.insert(aConfig('agent', { id: 'cfg_a', description: '0' }))
        const increment = () =>
          store.transaction(async (inner) => {
            const { description } = (await inner.configs.get('cfg_a'))!
            const change = { description: String(Number(description) + 1), mappings: [], updatedAt: AT }
            await inner.configs.update('cfg_a', change)
          })
        await Promise.all(Array.from({ length: 50 }, increment))
        expect((await store.configs.get('cfg_a'))?.description).toBe('50')
      })
    })
  })
}

async function withAccount(store: Store): Promise<void> {
  await store.connections.ensure({ id: 'mail', name: 'mail', createdAt: AT })
  await store.accounts.insertMissing([anAccount('ca_1', 'mail', 'u')])
}

function aConfig(name: string, change: Partial<McpConfig> = {}): McpConfig {
  return { id: `cfg_${name}`, name, description: undefined, mappings: [], createdAt: AT, updatedAt: AT, ...change }
}

function anInstance(id: string, configId: string, userIdentifier: string): McpInstance {
  return {
    id,
    name: 'An instance',
    configId,
    userIdentifier,
    urlVersion: 1,
    urlKeyId: 'k1',
    createdAt: AT,
    updatedAt: AT,
    lastUsedAt: undefined,
  }
}

function anAccount(id: string, connectionId: string, userIdentifier: string): ConnectedAccount {
  return { id, connectionId, userIdentifier, status: 'PENDING_AUTH', generation: 0, createdAt: AT, updatedAt: AT }
}

function aLink(id: string) {
  return { id, accountId: 'ca_1', tokenHash: `hash of ${id}`, createdAt: AT, expiresAt: LATER }
}

function aFlow(stateHash: string, linkId: string): Omit<AuthFlow, 'consumed'> {
  return {
    stateHash,
    linkId,
    accountId: 'ca_1',
    sealedAttempt: Uint8Array.of(1, 2, 3),
    browserHash: 'browser',
    expiresAt: LATER,
  }
}

function anEvent(id: string, userIdentifier: string): Omit<AccountEvent, 'sequence'> {
  return {
    id,
    accountId: 'ca_1',
    userIdentifier,
    connectionId: 'mail',
    status: 'ACTIVE',
    oldStatus: 'PENDING_AUTH',
    occurredAt: AT,
  }
}
