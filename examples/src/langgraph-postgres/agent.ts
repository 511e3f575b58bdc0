/**
 * An agent whose runs outlive its process: a run that needs the user's consent stops with the link, and goes on in
 * whatever process, with the very call for which it stopped.
 *
 *   node agent.ts thread_7 user_123 "Tell Dana that I am coming to the offsite."   begins a run
 *   node agent.ts thread_7 user_123                                               goes on, when the user is back
 */
import { Command, INTERRUPT, interrupt, isInterrupted } from '@langchain/langgraph'
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres'
import { ChatOpenAI } from '@langchain/openai'
import { createLatchkey } from '@latchkey/core'
import { type AuthorizationRequest, userToolsMiddleware } from '@latchkey/langchain'
import { createAgent, createMiddleware } from 'langchain'
import * as z from 'zod'

const [threadId = 'thread_7', userId = 'user_123', task] = process.argv.slice(2)

await using latchkey = createLatchkey()
const checkpointer = PostgresSaver.fromConnString(process.env['DATABASE_URL'] ?? '')
await checkpointer.setup()

// One agent for all users: the run's context says whose tools it has.
const agent = createAgent({
  model: new ChatOpenAI({ model: 'gpt-5', useResponsesApi: true }),
  contextSchema: z.object({ userId: z.string() }),
  middleware: [createMiddleware(userToolsMiddleware(latchkey, { interrupt }))],
  checkpointer,
})

const input = task ? { messages: [{ role: 'user', content: task }] } : new Command({ resume: 'connected' })
const state = await agent.invoke(input, { context: { userId }, configurable: { thread_id: threadId } })

const links = linksOf(state)
for (const { connectionName, authenticationLink } of links)
  console.log(`Connect ${connectionName}: ${authenticationLink}`)
if (links.length === 0) console.log(state.messages.at(-1)?.text)
await checkpointer.end()

/** What the user has to connect before the run can go on. */
function linksOf(values: unknown): AuthorizationRequest['connections'] {
  if (!isInterrupted<AuthorizationRequest>(values)) return []
  return values[INTERRUPT].flatMap(({ value }) => value?.connections ?? [])
}
