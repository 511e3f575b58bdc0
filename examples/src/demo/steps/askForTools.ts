import type { ConnectionState, UserToolsOptions } from '@latchkey/core'
import { createUserTools as createAiSdkTools } from '@latchkey/vercel-ai'
import { createUserTools as createLangChainTools } from '@latchkey/langchain'
import { ALICE, BOB, type Person } from '../people.ts'
import { section, table } from '../print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** A call of `getUserTools` that is under way: it resolves when the person has connected everything. */
export interface PendingTools<Tools> {
  readonly person: Person
  /** What this person still has to connect, each with a link. */
  readonly connections: readonly ConnectionState[]
  /** The tools, and when they came (by `performance.now()`). */
  readonly tools: Promise<{ tools: Tools; readyAt: number }>
}

/** 3. Asks for two users' tools at once, in two frameworks. Nobody has connected anything, so there are links to show. */
export async function askForTools({ latchkey }: World, secrets: Secrets, timeoutMs: number) {
  section(3, 'getUserTools, for two users at once')
  const [alice, bob] = await Promise.all([
    ask(ALICE, createLangChainTools(latchkey), timeoutMs),
    ask(BOB, createAiSdkTools(latchkey), timeoutMs),
  ])
  showAuthState([alice, bob], secrets)
  return { alice, bob }
}

async function ask<Tools>(
  person: Person,
  getUserTools: (userIdentifier: string, options: UserToolsOptions) => Promise<Tools>,
  timeoutMs: number,
): Promise<PendingTools<Tools>> {
  const asked = Promise.withResolvers<readonly ConnectionState[]>()
  const tools = getUserTools(person.userIdentifier, { onAuthorizationRequired: asked.resolve, timeoutMs }).then(
    (result) => ({ tools: result, readyAt: performance.now() }),
  )
  // Should it fail before there is anything to show, that is what the demo must say.
  void tools.catch(asked.reject)
  return { person, tools, connections: await asked.promise }
}

function showAuthState(pending: readonly PendingTools<unknown>[], secrets: Secrets): void {
  const rows = pending.flatMap(({ person, connections }) =>
    connections.map(({ connectionName, status, authenticationLink = '' }) => {
      return [person.userIdentifier, connectionName, status, secrets.show('authentication link', authenticationLink)]
    }),
  )
  table(['user', 'connection', 'status', 'link'], rows)
}
