import { offsiteOf } from '@latchkey/test/fixtures'
import { check, during } from '../world/print.ts'
import { runProgram } from '../world/runProgram.ts'
import { type ExampleWorld, startExampleWorld } from '../world/startExampleWorld.ts'

const CONNECTED = Array.from({ length: 6 }, (_, index) => `user_${index + 1}`)
const LOST = 'user_1'
const PENDING = ['user_7', 'user_8']
const NO_USER = 'user\t9'

/** A batch with users who are ready, one whose grant ends in the middle of the run, two who have not connected, and a broken row. */
export async function checkNightlyBatch(): Promise<void> {
  await using world = await startExampleWorld()
  await during('Connecting six users …', async () => {
    for (const user of CONNECTED) await world.connectAll(user)
  })
  // Its grant has ended when the first tool is called: refused, and not refreshed.
  world.stack.mail.faults.failNext({ user: LOST, method: 'tools/call', status: 401 })
  world.stack.authorizationServer.failTokenCalls({ status: 400, error: 'invalid_grant' })
  const input = [...CONNECTED, ...PENDING, NO_USER, ''].join('\n')
  const lines = await runProgram('nightly-batch/batch.ts', [], { env: world.env, input, exitCode: 1 })

  check('One report tells of all of them', lines.includes('5 done, 3 asked to connect, 1 failed'), lines)
  const served = [...CONNECTED, ...PENDING].filter((user) => offsitesOf(world, user) === 1)
  check('Whoever was ready has the offsite in the calendar, once', served.join() === CONNECTED.slice(1).join(), served)
  const link = `${world.env['LATCHKEY_START_URL']}?connection=mail`
  const told = lines.filter((line) => line.startsWith('Mail to ') && line.includes(`mail at ${link}`))
  const names = told.map((line) => /^Mail to (\w+)/.exec(line)?.[1] ?? '').toSorted()
  check('Whoever was not was sent the link of the app', names.join() === [LOST, ...PENDING].join(), names)
  await world.connect(PENDING[0] ?? '', link)
  check('with which the account is connected the next morning', true)
}

/** How often this user's own offsite is in their calendar. */
function offsitesOf({ stack }: ExampleWorld, user: string): number {
  const { start, end } = offsiteOf(user)
  return stack.calendar.eventsOf(user).filter((event) => event.start === start && event.end === end).length
}
