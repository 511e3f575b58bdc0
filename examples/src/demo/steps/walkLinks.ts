import { consentAs, createHttpBrowser, type HttpBrowser } from '@latchkey/test/fixtures'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'
import type { PendingTools } from './askForTools.ts'

/**
 * Follows each link as this person's browser does: connect page → the provider's sign-in and consent → back again; or
 * an API key typed into the form. Gives when the last consent was sent off (by `performance.now()`).
 */
export async function walkLinks(
  { gateway, directory }: World,
  { person, connections }: PendingTools<unknown>,
  secrets: Secrets,
): Promise<number> {
  const browser = createHttpBrowser()
  for (const { connectionName, authenticationLink } of connections) {
    if (authenticationLink === undefined) throw new Error(`There is no link for ${connectionName}`)
    const apiKey = secrets.keep('API key', directory.keys.issue(person.account))
    await consentAs(person.account, authenticationLink, { browser, apiKey })
  }
  return lastConsentAt(browser, gateway.url)
}

/** When the provider sent this person back to the gateway for the last time, or they sent their key off. */
function lastConsentAt({ visits }: HttpBrowser, gatewayUrl: string): number {
  const consents = visits.filter(({ method, url }) => {
    return url.startsWith(`${gatewayUrl}/oauth/callback`) || (method === 'POST' && url.startsWith(gatewayUrl))
  })
  return consents.at(-1)?.sentAt ?? Number.NaN
}
