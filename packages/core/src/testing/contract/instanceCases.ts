import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import type { ConnectionState } from '../../readiness/connectionState.ts'
import type { ContractCase } from './contractCase.ts'

/** Identifiers that have broken one system or another. None has a comma: some services separate lists with it. */
const UNUSUAL_USERS = [
  '__proto__',
  'constructor',
  'a b',
  '../..',
  'a/b?c=d#e',
  '%2e%2e',
  "o'neil",
  'ü🦊',
  'x'.repeat(255),
]

/** Instances and the state of their connections. */
export const instanceCases: readonly ContractCase[] = [
  {
    name: 'gives the same instance when it is ensured again, at the same time or in another process',
    async run(stage) {
      const user = stage.user()
      const [first, second] = [await stage.open(), await stage.open()]
      const backends = [first, first, first, second]
      const ensured = await Promise.all(backends.map((backend) => stage.ensure(backend, user)))
      const parts = ensured.map(({ instance: { id, url, mcpServerUrl, configId } }) => ({
        id,
        url,
        mcpServerUrl,
        configId,
      }))
      for (const part of parts) deepEqual(part, parts[0])
    },
  },
  {
    name: 'gives each user an instance of its own',
    async run(stage) {
      const backend = await stage.open()
      const [a, b] = [stage.user('a'), stage.user('b')]
      const [ofA, ofB] = [(await stage.ensure(backend, a)).instance, (await stage.ensure(backend, b)).instance]
      deepEqual([ofA.userIdentifier, ofB.userIdentifier], [a, b])
      notEqual(ofA.id, ofB.id)
      if (ofA.url !== undefined && !ofA.headers) notEqual(ofA.url, ofB.url)
    },
  },
  {
    name: 'shows no secret of an instance when it is printed',
    async run(stage) {
      const backend = await stage.open()
      const { instance } = await stage.ensure(backend, await stage.readyUser())
      stage.expectNoSecret('the instance', instance)
      stage.expectNoSecret('the backend', [backend, backend.identity])
      if (instance.url !== undefined && !instance.headers)
        ok(!JSON.stringify(instance).includes(instance.url), 'it shows its URL')
    },
  },
  {
    name: 'takes every user identifier as it is',
    async run(stage) {
      const backend = await stage.open()
      const ids = new Set<string>()
      for (const user of UNUSUAL_USERS) {
        const { instance } = await stage.ensure(backend, user)
        equal(instance.userIdentifier, user)
        ids.add(instance.id)
        await backend.getAuthState(instance.id)
      }
      equal(ids.size, UNUSUAL_USERS.length)
    },
  },
  {
    name: 'says unknown_config when there is no such config',
    needs: ['configs'],
    async run(stage) {
      const backend = await stage.open()
      const ensuring = backend.ensureInstance({ configName: 'no-such-config', userIdentifier: stage.user() })
      await stage.failure('ensuring an instance of no config', ensuring, ['unknown_config'])
    },
  },
  {
    name: 'tells of every connection, and of none that it is ACTIVE, when the user is new',
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      const { instance } = await stage.ensure(backend, stage.user())
      const states = await backend.getAuthState(instance.id)
      const linked = await backend.getAuthState(instance.id, { includeAuthLinks: true })
      ok(states.length > 0, 'there are no connections')
      deepEqual(namesOf(states), namesOf(linked))
      ok(
        states.every((state) => !state.isActive && state.authenticationLink === undefined),
        'it is ACTIVE, or has a link',
      )
      ok(
        linked.every((state) => URL.canParse(state.authenticationLink ?? '')),
        'a link is lacking',
      )
      stage.expectNoSecret('the state', linked)
      for (const { authenticationLink = '' } of linked)
        ok(!JSON.stringify(linked).includes(authenticationLink), 'it shows a link')
    },
  },
  {
    name: 'gives no user the link of another',
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      const links = new Set<string | undefined>()
      let count = 0
      for (const user of [stage.user('a'), stage.user('b')]) {
        const { instance } = await stage.ensure(backend, user)
        for (const state of await backend.getAuthState(instance.id, { includeAuthLinks: true })) {
          links.add(state.authenticationLink)
          count += 1
        }
      }
      equal(links.size, count)
    },
  },
  {
    name: 'tells that a user is ACTIVE, and nobody else, when that user has authorized everything',
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      const [a, b] = [stage.user('a'), stage.user('b')]
      const [ofA, ofB] = [(await stage.ensure(backend, a)).instance, (await stage.ensure(backend, b)).instance]
      await stage.subject.authorize?.(a)
      ok(
        (await backend.getAuthState(ofA.id)).every((state) => state.isActive),
        'the user is not ACTIVE',
      )
      ok(
        (await backend.getAuthState(ofB.id)).every((state) => !state.isActive),
        'another user is ACTIVE',
      )
    },
  },
  {
    name: 'makes no links when it is only asked how things stand',
    needs: ['authorize', 'mintsLinks', 'requests'],
    async run(stage) {
      const backend = await stage.open()
      const { instance } = await stage.ensure(backend, stage.user())
      for (let poll = 0; poll < 5; poll += 1) await backend.getAuthState(instance.id)
      equal(stage.network.asked.filter((request) => stage.subject.mintsLinks?.(request)).length, 0)
    },
  },
  {
    name: 'refuses an instance id that was changed or made up',
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      const [a, b] = [stage.user('a'), stage.user('b')]
      const [ofA, ofB] = [(await stage.ensure(backend, a)).instance.id, (await stage.ensure(backend, b)).instance.id]
      const made = [`${ofA}x`, ofA.slice(0, -1), a, '', '../..', `${ofA.slice(0, -8)}${ofB.slice(-8)}`]
      for (const id of made.filter((candidate) => candidate !== ofA && candidate !== ofB))
        await stage.failure(`asking for instance ${JSON.stringify(id)}`, backend.getAuthState(id), [
          'rejected',
          'invalid_response',
        ])
    },
  },
  {
    name: 'closes more than once',
    async run(stage) {
      const backend = await stage.open()
      await stage.ensure(backend, stage.user())
      await backend.close()
      await backend.close()
    },
  },
]

function namesOf(states: readonly ConnectionState[]): readonly string[] {
  return states.map(({ connectionName }) => connectionName).toSorted()
}
