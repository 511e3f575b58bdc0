import { check, during, section, table } from '../../world/print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'
import type { PendingTools } from './askForTools.ts'
import { showLinks } from './showLinks.ts'
import { type Walk, walkLinks } from './walkLinks.ts'

/** A pushed event wakes the waiter; it would take the slow poll five seconds. */
const LONGEST_WAKE_MS = 2000

/** 4. Connects everything: walks the links as a browser would, or waits for the person at the keyboard. */
export async function consent<ForAlice, ForBob>(
  world: World,
  { alice, bob }: { alice: PendingTools<ForAlice>; bob: PendingTools<ForBob> },
  secrets: Secrets,
  isByHand: boolean,
): Promise<{ alice: ForAlice; bob: ForBob }> {
  section(4, 'Consent, as people give it')
  if (isByHand) for (const pending of [alice, bob]) showLinks(world, pending)
  const connect = async (pending: PendingTools<unknown>): Promise<Walk | undefined> =>
    isByHand ? undefined : await walkLinks(world, pending, secrets)

  const [aliceWalk, bobWalk, tools] = await during('Waiting for the accounts …', async () => {
    return await Promise.all([connect(alice), connect(bob), Promise.all([alice.tools, bob.tools])])
  })
  await showAuthState(world, [
    { ...alice, walk: aliceWalk },
    { ...bob, walk: bobWalk },
  ])
  return { alice: tools[0], bob: tools[1] }
}

type Outcome = PendingTools<unknown> & { readonly walk: Walk | undefined }

async function showAuthState({ latchkey }: World, outcomes: readonly Outcome[]): Promise<void> {
  const rows = await Promise.all(
    outcomes.map(async ({ person: { userIdentifier }, walk }) => {
      const { id } = await latchkey.ensureInstance(userIdentifier)
      const states = await latchkey.getAuthState(id)
      return states.map(({ connectionName, status }) => {
        return [userIdentifier, connectionName, status, walk?.ways.get(connectionName) ?? 'by hand']
      })
    }),
  )
  table(['user', 'connection', 'status', 'how'], rows.flat())
  check(
    'Everything is ACTIVE, for both users',
    rows.flat().every(([, , status]) => status === 'ACTIVE'),
  )

  for (const { person, woken, walk } of outcomes) {
    if (!walk) continue
    // An event may come before the answer to the browser does.
    const wakingMs = Math.max(0, (await woken) - walk.consentedAt)
    const claim = `The waiter of ${person.userIdentifier} woke ${wakingMs.toFixed(0)} ms after the last consent`
    check(claim, wakingMs < LONGEST_WAKE_MS)
  }
}
