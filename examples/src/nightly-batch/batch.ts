/**
 * A job for many users at night. Who is ready is served, a few at a time; who has something to connect first is told by
 * mail, and is served the next night; one report tells of all of them.
 *
 *   node batch.ts < users.txt     one user identifier a line
 */
import { openai } from '@ai-sdk/openai'
import { type ConnectionState, createLatchkey } from '@latchkey/core'
import { createUserTools, pendingAuthorization, stopOnAuthorization } from '@latchkey/vercel-ai'
import { generateText, isStepCount } from 'ai'
import { text } from 'node:stream/consumers'

const TASK = 'Find the mail about the offsite and put it in my calendar.'
const RUNS_AT_A_TIME = 4

await using latchkey = createLatchkey()
const userTools = createUserTools(latchkey)
const users = (await text(process.stdin)).split('\n').filter((line) => line !== '')
const { ready, pending, failed } = await latchkey.readyMany(users, { concurrency: 8 })

const report = { done: new Array<string>(), asked: new Array<string>(), failed: new Array<string>() }
for (const { userIdentifier, connections } of pending) sendMail(userIdentifier, connections)
for (const { userIdentifier, error } of failed) report.failed.push(`${userIdentifier}: ${error.message}`)

// One iterator that all workers share: each user is taken once.
const queue = ready.values()
async function work(): Promise<void> {
  for (const { userIdentifier } of queue) {
    try {
      await runAgent(userIdentifier)
    } catch (error) {
      report.failed.push(`${userIdentifier}: ${error instanceof Error ? error.message : 'unknown'}`)
    }
  }
}
await Promise.all(Array.from({ length: RUNS_AT_A_TIME }, work))

console.log(`${report.done.length} done, ${report.asked.length} asked to connect, ${report.failed.length} failed`)
for (const failure of report.failed) console.log(`Failed: ${failure}`)
process.exitCode = report.failed.length > 0 ? 1 : 0

async function runAgent(user: string): Promise<void> {
  const tools = await userTools(user)
  const stopWhen = [isStepCount(10), stopOnAuthorization]
  const result = await generateText({ model: openai('gpt-5'), prompt: TASK, tools, stopWhen })
  // A grant can end at any time, so also after its user was found ready.
  const stopped = pendingAuthorization(result)
  if (stopped) sendMail(user, stopped.connections)
  else report.done.push(user)
}

/** Yours: with the link of `LATCHKEY_START_URL`, which is no secret and does not expire, so it can wait in a mailbox. */
function sendMail(user: string, connections: readonly ConnectionState[]): void {
  const links = connections.map(
    ({ connectionName, authenticationLink }) => `${connectionName} at ${authenticationLink}`,
  )
  console.log(`Mail to ${user}: please connect ${links.join(', ')}`)
  report.asked.push(user)
}
