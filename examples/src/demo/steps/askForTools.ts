import type { ConnectionState, UserToolsOptions } from '@latchkey/core'
import { createUserTools as createAiSdkTools } from '@latchkey/vercel-ai'
import { createUserTools as createLangChainTools } from '@latchkey/langchain'
import { ALICE, BOB, type Person } from '../people.ts'
import { section, table } from '../../world/print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** A call of `getUserTools` that is under way: it resolves when the person has connected everything. */
export interface PendingTools<Tools> {
  readonly person: Person
  /** What this person still has to connect, each with a link. */
  readonly connections: readonly ConnectionState[]
  readonly tools: Promise<Tools>
  /** When everything was connected, by `performance.now()`. */
  readonly woken: Promise<number>
}

/** 3. Asks for two users' tools at once, in two frameworks. Nobody has connected anything, so there are links to show. */
export async function askForTools(world: World, secrets: Secrets, timeoutMs: number) {
  section(3, 'getUserTools, for two users at once')
  const [alice, bob] = await Promise.all([
    ask(world, ALICE, createLangChainTools(world.latchkey), timeoutMs),
    ask(world, BOB, createAiSdkTools(world.latchkey), timeoutMs),
  ])
  showAuthState([alice, bob], secrets)
  return { alice, bob }
}

async function ask<Tools>(
  { latchkey }: World,
  person: Person,
  getUserTools: (userIdentifier: string, options: UserToolsOptions) => Promise<Tools>,
  timeoutMs: number,
): Promise<PendingTools<Tools>> {
  const asked = Promise.withResolvers<readonly ConnectionState[]>()
  const tools = getUserTools(person.userIdentifier, { onAuthorizationRequired: asked.resolve, timeoutMs })
  // Should it fail before there is anything to show, that is what the demo must say.
  void tools.catch(asked.reject)
  const connections = await asked.promise

  // `getUserTools` waits by itself; this second waiter is only here to be looked at the clock with.
  const { id } = await latchkey.ensureInstance(person.userIdentifier)
  const woken = latchkey.waitForAuth(id, { timeoutMs }).then(() => performance.now())
  void woken.catch(() => {})
  return { person, connections, tools, woken }
}

function showAuthState(pending: readonly PendingTools<unknown>[], secrets: Secrets): void {
  const rows = pending.flatMap(({ person, connections }) =>
    connections.map(({ connectionName, status, authenticationLink = '' }) => {
      return [person.userIdentifier, connectionName, status, secrets.show('authentication link', authenticationLink)]
    }),
  )
  table(['user', 'connection', 'status', 'link'], rows)
}
