import { offsiteOf } from '@latchkey/test/fixtures'
import { check } from '../world/print.ts'
import { runProgram } from '../world/runProgram.ts'
import { startExampleWorld } from '../world/startExampleWorld.ts'

const USER = 'user_alice'

/** Runs a script that prints links and an answer: connects the accounts, and sees that the answer is from their mail. */
export async function checkAgentScript(program: string): Promise<void> {
  await using world = await startExampleWorld()
  const lines = await runProgram(program, [USER, 'When is the offsite?'], {
    env: world.env,
    onLine: async (line) => {
      const [, link] = /^Connect \S+: (\S+)$/.exec(line) ?? []
      if (link !== undefined) await world.connect(USER, link)
    },
  })
  const { start, location } = offsiteOf(USER)
  const answer = lines.at(-1) ?? ''
  check('The answer comes out of this user’s own mail', answer.includes(location), answer)
  if (!world.model) return
  check('to the minute', answer.includes(start.slice(11, 16)), answer)
  const calls = ['search_mail', 'read_mail'].map((tool) => world.stack.mail.calls.count(USER, tool))
  check('Each tool was called once', calls.join() === '1,1', calls)
}
