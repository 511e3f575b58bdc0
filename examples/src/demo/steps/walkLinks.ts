import { consentAs, createHttpBrowser, type Visit } from '@latchkey/test/fixtures'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'
import type { PendingTools } from './askForTools.ts'

export interface Walk {
  /** Connection → the way that the browser went. */
  readonly ways: ReadonlyMap<string, string>
  /** When the gateway had answered the last consent, by `performance.now()`. */
  readonly consentedAt: number
}

/** Follows each link as this person's browser does, over HTTP. */
export async function walkLinks(
  { gateway, directory }: World,
  { person, connections }: PendingTools<unknown>,
  secrets: Secrets,
): Promise<Walk> {
  const browser = createHttpBrowser()
  const ways = new Map<string, string>()
  const apiKey = secrets.keep('API key', directory.keys.issue(person.account))
  for (const { connectionName, authenticationLink = '' } of connections) {
    const start = browser.visits.length
    const { title } = await consentAs(person.account, authenticationLink, { browser, apiKey })
    ways.set(connectionName, `${wayOf(browser.visits.slice(start))} → “${title}”`)
  }
  const consents = browser.visits.filter((visit) => isConsent(visit, gateway.url))
  return { ways, consentedAt: consents.at(-1)?.answeredAt ?? Number.NaN }
}

function wayOf(visits: readonly Visit[]): string {
  const isOAuth = visits.some(({ url }) => url.includes('/oauth/callback'))
  const stations = isOAuth ? ['link', 'sign-in', 'allow', 'callback'] : ['link', 'API key']
  return stations.join(' → ')
}

/** The provider's answer, or a key: what makes an account ACTIVE. */
function isConsent({ method, url }: Visit, gatewayUrl: string): boolean {
  return url.startsWith(`${gatewayUrl}/oauth/callback`) || (method === 'POST' && url.startsWith(gatewayUrl))
}
