import { LatchkeyError } from '../errors.ts'
import type { ReadyManyReport } from '../latchkey.ts'
import type { ReadyEndpoint } from '../session/readyEndpoint.ts'

/**
 * Gets many users ready, a few at a time, and says what came of each. It waits for nobody's consent.
 *
 * @param concurrency how many users are under way at the same time.
 */
export async function readyMany(
  users: Iterable<string>,
  concurrency: number,
  getReady: (userIdentifier: string) => Promise<ReadyEndpoint>,
): Promise<ReadyManyReport> {
  const ready: ReadyManyReport['ready'][number][] = []
  const pending: ReadyManyReport['pending'][number][] = []
  const failed: ReadyManyReport['failed'][number][] = []
  // One iterator that all workers share: each user is taken once.
  const queue = new Set(users).values()
  const work = async () => {
    for (const userIdentifier of queue) {
      try {
        ready.push(await getReady(userIdentifier))
      } catch (error) {
        if (!(error instanceof LatchkeyError)) throw error
        const { code, connections } = error
        if (code === 'authorization_required') pending.push({ userIdentifier, connections })
        else failed.push({ userIdentifier, error })
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return { ready, pending, failed }
}
