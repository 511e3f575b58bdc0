import { canaryOf } from '../fixtures/index.ts'

const CANARY = /canary-[a-z]+-[0-9a-f]{16}/g
/** What must not reach any MCP client at all: URL secrets and tokens (JWTs), the caller's own included. */
const CREDENTIAL = /lkurl_[\w.-]{20,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+/

export interface LeakDetector {
  /** Searches everything that reached a user for what is not this user's. */
  readonly inspect: (user: string, bytes: string) => void
  /** How many of the user's own canaries were seen: proves that the search can find anything. */
  readonly ownSightings: number
  /** What was found, without the secret itself. */
  readonly leaks: readonly string[]
}

export function createLeakDetector(users: readonly string[], services: readonly string[]): LeakDetector {
  const ownerOf = new Map(users.flatMap((user) => services.map((service) => [canaryOf(service, user), user] as const)))
  const leaks: string[] = []
  let ownSightings = 0
  return {
    inspect(user, bytes) {
      for (const [canary] of bytes.matchAll(CANARY)) {
        const owner = ownerOf.get(canary)
        if (owner === user) ownSightings += 1
        else leaks.push(`${user} received data of ${owner ?? 'nobody known'}`)
      }
      if (CREDENTIAL.test(bytes)) leaks.push(`${user} received a credential`)
    },
    get ownSightings() {
      return ownSightings
    },
    leaks,
  }
}
