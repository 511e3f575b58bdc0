import type { Closers } from '../closers.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { createPrograms } from '../upstream/stdio/programs.ts'
import { createWatchdog } from '../upstream/stdio/watchdog.ts'
import { withPrograms } from '../upstream/stdio/withPrograms.ts'
import { every } from './every.ts'
import type { AccountRooms } from './openAccounts.ts'
import type { openOAuth } from './openCredentials.ts'

const LOOK_FOR_IDLE_EVERY_MS = 15_000

/** The way to upstreams, those that are programs too: an account's processes end with what it may be used for. */
export function openPrograms(
  { clock }: ParsedOptions,
  { accounts, events }: AccountRooms,
  { fetch }: ReturnType<typeof openOAuth>,
  closers: Closers,
) {
  const watchdog = createWatchdog()
  closers.add(() => watchdog.close())
  const programs = createPrograms({
    watchdog,
    clock,
    async isCurrent(accountId, generation) {
      const account = await accounts.get(accountId)
      return account?.status === 'ACTIVE' && account.generation <= generation
    },
  })
  closers.add(async () => await programs.close())
  closers.add(every(LOOK_FOR_IDLE_EVERY_MS, async () => await Promise.resolve(programs.endIdle())))
  closers.add(events.subscribe(({ accountId }) => programs.release(accountId)))
  return { upstreamFetch: withPrograms(fetch, programs), startTrial: () => createPrograms({ watchdog, clock }) }
}
