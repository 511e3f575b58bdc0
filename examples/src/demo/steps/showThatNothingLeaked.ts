import { secretsIn } from '@latchkey/test/fixtures'
import { check, fact, printed, section } from '../print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** 8. Everything that was printed is searched for every secret that was in play. */
export function showThatNothingLeaked({ gateway }: World, secrets: Secrets, isByHand: boolean): void {
  section(8, 'No secret on the screen')
  if (secrets.areShown || isByHand) {
    fact(
      'shown',
      'links and URLs are on the screen because you asked for them',
      secrets.areShown ? '--show-secrets' : '--open',
    )
    return
  }
  secrets.keep('client secret', gateway.clientSecret)
  const found = secretsIn(printed.join('\n'), secrets.all)
  const count = Object.keys(secrets.all).length
  check(
    `${count} secrets searched for in ${printed.length} printed lines, as they are and encoded: 0 found`,
    found.length === 0,
    found,
  )
  fact('to see them', 'npm run demo -- --show-secrets')
}
