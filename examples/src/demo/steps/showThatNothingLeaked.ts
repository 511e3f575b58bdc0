import { secretsIn } from '@latchkey/test/fixtures'
import { check, fact, printed, section } from '../../world/print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** 8. Everything that was printed is searched for every secret that was in play. */
export function showThatNothingLeaked({ gateway }: World, secrets: Secrets, isByHand: boolean): void {
  section(8, 'No secret on the screen')
  if (secrets.areShown) {
    fact('shown', 'because you asked for it', '--show-secrets')
    return
  }
  secrets.keep('client secret', gateway.clientSecret)
  // Whoever clicks through the links by hand has to see them.
  const hidden = Object.entries(secrets.all).filter(([name]) => !isByHand || !name.startsWith('authentication link'))
  const found = secretsIn(printed.join('\n'), Object.fromEntries(hidden))
  const claim = `${hidden.length} secrets searched for in ${printed.length} printed lines, plain and encoded: 0 found`
  check(claim, found.length === 0, found)
  fact('to see them', 'npm run demo -- --show-secrets')
}
