import { deepEqual, equal, ok } from 'node:assert/strict'
import type { ConnectionState } from '../../readiness/connectionState.ts'
import type { ContractCase } from './contractCase.ts'
import type { Stage } from './stage.ts'

/** The way to ready tools, with the backend in its place. */
export const readinessCases: readonly ContractCase[] = [
  {
    name: 'gives the links at once when nobody is there to show them',
    needs: ['authorize'],
    async run(stage) {
      const latchkey = await stage.latchkey()
      const { connections } = await stage.failure('ready', latchkey.ready(stage.user()), ['authorization_required'])
      ok(connections.length > 0 && connections.every((state) => state.authenticationLink), 'a link is lacking')
    },
  },
  {
    name: 'makes links once in a wait, and gives the tools when the user has used them',
    needs: ['authorize'],
    async run(stage) {
      const { subject, network } = stage
      const user = stage.user()
      const latchkey = await stage.latchkey()
      const shown: (readonly ConnectionState[])[] = []
      const isShown = Promise.withResolvers<void>()
      const ready = latchkey.userTools(user, {
        onAuthorizationRequired(connections) {
          shown.push(connections)
          isShown.resolve()
        },
      })
      await Promise.race([isShown.promise, ready])
      await subject.authorize?.(user)
      const tools = await stage.timing.passing(ready)
      equal(await subject.identify(tools), user)
      equal(shown.length, 1)
      const minted = network.asked.filter((request) => subject.mintsLinks?.(request)).length
      ok(minted <= (shown[0]?.length ?? 0), `links were made ${minted} times`)
    },
  },
  {
    name: 'ends at its deadline when nobody ever authorizes anything',
    needs: ['authorize'],
    async run(stage) {
      const latchkey = await stage.latchkey()
      const isShown = Promise.withResolvers<void>()
      const ready = latchkey.ready(stage.user(), {
        timeoutMs: 60_000,
        onAuthorizationRequired: () => isShown.resolve(),
      })
      ready.catch(() => {})
      await Promise.race([isShown.promise, ready])
      await stage.timing.timerOf(5_000)
      stage.timing.advance(60_000)
      await stage.failure('ready', ready, ['authorization_timeout'])
    },
  },
  {
    name: 'says not_ready when everything is ACTIVE and the endpoint does not serve',
    async run(stage) {
      const user = await stage.readyUser()
      const latchkey = await stage.latchkey()
      stage.network.tap = async (request, pass) => (request.isMcp ? new Response('', { status: 503 }) : await pass())
      await stage.failure('ready', latchkey.ready(user), ['not_ready'])
    },
  },
  {
    name: 'resumes a wait in another process, for the user whose it is, where it signs',
    needs: ['authorize'],
    async run(stage) {
      const user = stage.user()
      const handle = await pendingHandle(stage, user)
      if (handle === undefined) return
      const second = await stage.latchkey()
      await stage.failure('resuming as another', second.resume(handle, { userIdentifier: stage.user('other') }), [
        'rejected',
      ])
      await stage.failure('resuming a changed handle', second.resume(`${handle}x`), ['rejected'])
      await stage.subject.authorize?.(user)
      const endpoint = await stage.timing.passing(second.resume(handle, { userIdentifier: user }))
      deepEqual([endpoint.userIdentifier, endpoint.config], [user, stage.subject.configName])
      equal(await stage.identityOf(endpoint.userIdentifier), user)
    },
  },
]

/** Made by a process that ends. */
async function pendingHandle(stage: Stage, user: string): Promise<string | undefined> {
  if (!(await stage.open()).sign) return undefined
  const latchkey = await stage.latchkey()
  const pending = await latchkey.pending(user)
  await latchkey.close()
  ok(pending, 'nothing is pending')
  stage.expectNoSecret('the handle', pending.handle)
  for (const { authenticationLink = '' } of pending.connections)
    ok(!pending.handle.includes(authenticationLink), 'the handle holds a link')
  return pending.handle
}
