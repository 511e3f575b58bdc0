import type { Person } from '../people.ts'
import { check, during, section, table } from '../print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'
import type { PendingTools } from './askForTools.ts'
import { showLinks } from './showLinks.ts'
import { walkLinks } from './walkLinks.ts'

/** 4. Connects everything: walks the links as a browser would, or waits for the person at the keyboard. */
export async function consent<ForAlice, ForBob>(
  world: World,
  { alice, bob }: { alice: PendingTools<ForAlice>; bob: PendingTools<ForBob> },
  secrets: Secrets,
  isByHand: boolean,
): Promise<{ alice: ForAlice; bob: ForBob }> {
  section(4, 'Consent, as people give it')
  const both = [alice, bob] as const
  if (isByHand) for (const pending of both) showLinks(world, pending)
  const walks = isByHand ? [] : both.map(async (pending) => await walkLinks(world, pending, secrets))
  const [ready, consentedAt] = await during('Waiting for the accounts …', async () => {
    return await Promise.all([Promise.all([alice.tools, bob.tools]), Promise.all(walks)])
  })

  await showAuthState(world, [alice.person, bob.person])
  for (const [index, at] of consentedAt.entries()) {
    const { userIdentifier } = both[index]?.person ?? alice.person
    const wakingMs = (ready[index]?.readyAt ?? Number.NaN) - at
    check(
      `${userIdentifier} had the tools ${wakingMs.toFixed(0)} ms after the last consent was sent off`,
      wakingMs < 5000,
    )
  }
  return { alice: ready[0].tools, bob: ready[1].tools }
}

async function showAuthState({ latchkey }: World, people: readonly Person[]): Promise<void> {
  const states = await Promise.all(
    people.map(async ({ userIdentifier }) => {
      const { id } = await latchkey.ensureInstance(userIdentifier)
      const connections = await latchkey.getAuthState(id)
      return connections.map(({ connectionName, status, isActive }) => ({
        userIdentifier,
        connectionName,
        status,
        isActive,
      }))
    }),
  )
  const rows = states.flat().map((state) => [state.userIdentifier, state.connectionName, state.status])
  table(['user', 'connection', 'status'], rows)
  check(
    'Every connection of both users is ACTIVE',
    states.flat().every(({ isActive }) => isActive),
  )
}
