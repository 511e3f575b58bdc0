import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import type { ContractCase } from './contractCase.ts'
import { outcomeOf } from './stage.ts'

const CALLS = 50

/** What the endpoint lets in, and whose tools it gives. */
export const endpointCases: readonly ContractCase[] = [
  {
    name: "gives each user's tools to that user alone when they are asked for at the same time",
    async run(stage) {
      const users = await Promise.all(['a', 'b', 'c'].map((name) => stage.readyUser(name)))
      const latchkey = await stage.latchkey()
      const asked = Array.from({ length: 12 }, (_, index) => users[index % users.length] ?? '')
      const seen = await Promise.all(
        asked.map(async (user) => await stage.subject.identify(await latchkey.userTools(user))),
      )
      deepEqual(seen, asked)
    },
  },
  {
    name: 'makes a session token for one user that is not shown, and ends in the future',
    async run(stage) {
      const backend = await stage.open()
      if (!backend.createSessionToken) return
      const { instance } = await stage.ensure(backend, await stage.readyUser())
      const sessionToken = await backend.createSessionToken({ instance })
      ok(sessionToken.token.length > 0, 'it is empty')
      ok(sessionToken.expiresAt.getTime() > stage.timing.now(), 'it has ended already')
      ok(!JSON.stringify(sessionToken).includes(sessionToken.token), 'it shows itself')
    },
  },
  {
    name: 'makes no session token, and gives the links, while the user has something to authorize',
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      if (!backend.createSessionToken) return
      const { instance } = await stage.ensure(backend, stage.user())
      const { connections } = await stage.failure('making a token', backend.createSessionToken({ instance }), [
        'authorization_required',
      ])
      ok(connections.length > 0 && connections.every((state) => state.authenticationLink), 'a link is lacking')
    },
  },
  {
    name: "makes no session token for a user out of another user's instance",
    needs: ['authorize'],
    async run(stage) {
      const backend = await stage.open()
      if (!backend.createSessionToken) return
      const { id, configName, configId, url, mcpServerUrl } = (await stage.ensure(backend, await stage.readyUser('a')))
        .instance
      const mixed = { id, configName, configId, url, mcpServerUrl, userIdentifier: stage.user('b') }
      await stage.failure('making a token', backend.createSessionToken({ instance: mixed }))
    },
  },
  {
    name: 'narrows to some tools, or refuses, and never gives more when it is asked for some',
    async run(stage) {
      const user = await stage.readyUser()
      const latchkey = await stage.latchkey()
      const { tools } = await stage.timing.passing(latchkey.userTools(user))
      const [first = ''] = tools.map(({ mcpName }) => mcpName)
      for (const [wanted, most] of [
        [first, [first]],
        ['no_such_tool', []],
      ] as const) {
        const narrowed = await stage.timing.passing(outcomeOf(latchkey.userTools(user, { tools: [wanted] })))
        if ('error' in narrowed) stage.checkError('narrowing', narrowed.error, ['rejected'])
        else
          deepEqual(
            narrowed.value.tools.map(({ mcpName }) => mcpName),
            most,
          )
      }
    },
  },
  {
    name: `goes on unseen when every token ends in the middle of ${CALLS} calls`,
    needs: ['endTokens'],
    async run(stage) {
      const user = await stage.readyUser()
      const latchkey = await stage.latchkey()
      const tools = await latchkey.userTools(user)
      for (let call = 0; call < CALLS; call += 1) {
        if (call === 10 || call === 30) await stage.subject.endTokens?.()
        equal(await stage.subject.identify(tools), user)
      }
    },
  },
  {
    name: 'sends credentials to the service and to the MCP endpoint, and nowhere else',
    needs: ['requests'],
    async run(stage) {
      const user = await stage.readyUser()
      equal(await stage.identityOf(user), user)
      const { instance } = await stage.ensure(await stage.open(), user)
      const endpoint = new URL(instance.mcpServerUrl ?? instance.url ?? '')
      for (const { url, isMcp } of stage.network.sent)
        if (isMcp) equal(new URL(url).origin + new URL(url).pathname, endpoint.origin + endpoint.pathname)
    },
  },
  {
    name: 'ends a stream of events by its signal, where it has one',
    async run(stage) {
      const backend = await stage.open()
      if (!backend.statusEvents) return
      const { instance } = await stage.ensure(backend, stage.user())
      const stop = new AbortController()
      const opened = Promise.withResolvers<void>()
      const events = backend.statusEvents(instance.id, { signal: stop.signal, onOpen: opened.resolve })
      const ended = outcomeOf(events[Symbol.asyncIterator]().next())
      await Promise.race([opened.promise, ended])
      stop.abort()
      const outcome = await ended
      ok('error' in outcome || outcome.value.done, 'it told of something')
    },
  },
  {
    name: 'signs the same in every process, and each text otherwise, where it signs',
    async run(stage) {
      const [first, second] = [await stage.open(), await stage.open()]
      if (!first.sign || !second.sign) return
      equal(first.sign('a'), second.sign('a'))
      notEqual(first.sign('a'), first.sign('b'))
    },
  },
]
