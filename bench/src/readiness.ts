import { consentAs, createHttpBrowser } from '@latchkey/test/fixtures'
import { setTimeout as delay } from 'node:timers/promises'
import type { Benchmark } from './benchmark.ts'
import { createStack, type Stack } from './stack.ts'
import { median, quantile, time } from './statistics.ts'

const ROUNDS = 20
const POLLING_ROUNDS = 3
const POLL_EVERY_MS = 5000

/** From the provider's redirect to usable tools, against polling every 5 s and against one bare round trip. */
export const readiness: Benchmark = {
  name: 'readiness',
  title: "from the provider's redirect to getUserTools resolved; against a poll every 5 s, and one bare round trip",
  async run(say) {
    await using stack = await createStack()
    await wake(stack, 'warm-up', waitWithLatchkey)
    const woken: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) woken.push(await wake(stack, `user-${round}`, waitWithLatchkey))
    const roundTrips = await time(200, async () => await (await fetch(`${stack.url}/health`)).text())
    say(`${ROUNDS} users with Latchkey, then ${POLLING_ROUNDS} by polling; both begin to wait before the consent`)
    const polled: number[] = []
    for (let round = 0; round < POLLING_ROUNDS; round += 1)
      polled.push(await wake(stack, `polled-${round}`, waitByPolling))
    return {
      'readiness.wake_ms': median(woken),
      'readiness.wake_p95_ms': quantile(woken, 0.95),
      'readiness.poll_5s_ms': median(polled),
      'readiness.poll_5s_over_wake': median(polled) / median(woken),
      'readiness.round_trip_ms': median(roundTrips),
      'readiness.over_round_trip': median(woken) / median(roundTrips),
    }
  },
}

/** Waits until the user has tools; calls `show` with the link once there is one. */
type Wait = (stack: Stack, user: string, show: (link: string) => void) => Promise<unknown>

/** Milliseconds from the moment when the browser follows the provider's redirect until the tools are there. */
async function wake(stack: Stack, user: string, wait: Wait): Promise<number> {
  const link = Promise.withResolvers<string>()
  const waiting = wait(stack, user, link.resolve).then(() => performance.now())
  const browser = createHttpBrowser()
  await consentAs(user, await link.promise, { browser })
  const resolvedAt = await waiting
  const callback = browser.visits.find(({ url }) => new URL(url).pathname.startsWith('/oauth/callback'))
  if (!callback) throw new Error('The consent did not come back to the gateway.')
  return resolvedAt - callback.sentAt
}

async function waitWithLatchkey({ latchkey }: Stack, user: string, show: (link: string) => void): Promise<unknown> {
  return await latchkey.userTools(user, {
    onAuthorizationRequired: ([connection]) => show(connection?.authenticationLink ?? ''),
  })
}

/** What one writes without Latchkey: ask every 5 s until all is ACTIVE, then list the tools. */
async function waitByPolling({ latchkey }: Stack, user: string, show: (link: string) => void): Promise<unknown> {
  const { id } = await latchkey.ensureInstance(user)
  const [connection] = await latchkey.getAuthState(id, { includeAuthLinks: true })
  show(connection?.authenticationLink ?? '')
  while (!(await latchkey.getAuthState(id)).every(({ isActive }) => isActive)) await delay(POLL_EVERY_MS)
  return await latchkey.userTools(user)
}
