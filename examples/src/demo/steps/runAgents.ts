import { offsiteOf } from '@latchkey/test/fixtures'
import { createUserTools as createLangChainTools } from '@latchkey/langchain'
import { createUserTools as createAiSdkTools } from '@latchkey/vercel-ai'
import { runAiSdkAgent } from '../agents/aiSdkAgent.ts'
import { runLangChainAgent } from '../agents/langchainAgent.ts'
import { HAS_REAL_MODEL, REAL_MODEL, TASK } from '../agents/task.ts'
import { ALICE, BOB, type Person } from '../people.ts'
import { check, during, fact, section } from '../../world/print.ts'
import type { World } from '../world.ts'

type LangChainTools = Parameters<typeof runLangChainAgent>[0]
type AiSdkTools = Parameters<typeof runAiSdkAgent>[0]

/** 5. The same task through both frameworks: first one way round, then the other. */
export async function runAgents(world: World, first: { alice: LangChainTools; bob: AiSdkTools }): Promise<void> {
  section(5, `"${TASK}"`)
  const note = HAS_REAL_MODEL ? '' : 'set OPENAI_API_KEY for a real one'
  fact('model', HAS_REAL_MODEL ? REAL_MODEL : "each framework's own scripted test model", note)
  await runBoth(world, ALICE, first.alice, BOB, first.bob)

  // The other way round. Everything is connected now, so the tools come at once and nobody is asked for anything.
  const { latchkey } = world
  const [bob, alice] = await Promise.all([
    createLangChainTools(latchkey)(BOB.userIdentifier),
    createAiSdkTools(latchkey)(ALICE.userIdentifier),
  ])
  await runBoth(world, BOB, bob, ALICE, alice)
}

/** Runs both agents at the same time, and sees in each person's own calendar whether the task is done. */
async function runBoth(
  world: World,
  langchainUser: Person,
  langchainTools: LangChainTools,
  aiSdkUser: Person,
  aiSdkTools: AiSdkTools,
): Promise<void> {
  const before = [countOffsites(world, langchainUser), countOffsites(world, aiSdkUser)]
  const [langchain, aiSdk] = await during('Both agents are at work …', async () => {
    return await Promise.all([runLangChainAgent(langchainTools), runAiSdkAgent(aiSdkTools)])
  })
  const runs = [
    { framework: 'LangChain createAgent', user: langchainUser, calls: langchain.calls },
    { framework: 'AI SDK ToolLoopAgent', user: aiSdkUser, calls: aiSdk.calls },
  ]
  for (const [index, { framework, user, calls }] of runs.entries()) {
    const { start, location } = offsiteOf(user.account)
    const isDone = countOffsites(world, user) === (before[index] ?? 0) + 1
    check(`${framework.padEnd(21)}  ${user.userIdentifier.padEnd(10)}  ${calls.join(' → ')}`, isDone, calls)
    fact('', `in the calendar: ${start.slice(0, 16).replace('T', ' ')} UTC, ${location}`)
  }
}

/** How often this person's own offsite is in their calendar, at the time that their own mail says. */
function countOffsites({ calendar }: World, { account }: Person): number {
  const { start, end } = offsiteOf(account)
  return calendar.eventsOf(account).filter((event) => event.start === start && event.end === end).length
}
