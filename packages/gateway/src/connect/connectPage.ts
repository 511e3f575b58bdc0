import { html } from 'hono/html'
import type { Connection } from '../domain.ts'
import { icon, type Markup, page, pair } from './page.ts'

export interface ConnectPageInput {
  readonly appName: string
  readonly connection: Connection
  readonly csrfToken: string
  /** The account was connected before, and that has ended. */
  readonly again: boolean
  readonly minutesLeft: number
  /** The last try was with another account than before: it has to be said that this is meant. */
  readonly asksToReplace?: boolean | undefined
  /** What happened at the last try, in a sentence. */
  readonly notice?: { readonly tone: 'warn' | 'bad'; readonly text: string } | undefined
}

/** The page that an open link shows: who asks, for what, and the one button. It names no user. */
export function connectPage({
  appName,
  connection,
  csrfToken,
  again,
  minutesLeft,
  asksToReplace,
  notice,
}: ConnectPageInput): Markup {
  const service = connection.displayName
  const form = connection.auth.type === 'api_key' ? keyForm(service) : signInForm(appName, service, asksToReplace)
  const body = html`${pair(appName, service)}
    <h1>Connect ${service} to ${appName}</h1>
    <p class="lead">
      <b>${appName}</b> asks to use your <b>${service}</b> account${again ? ' again: its access has ended' : ''}.
    </p>
    ${notice ? html`<p class="notice ${notice.tone}" role="alert">${notice.text}</p>` : ''}
    <form method="post">
      <input type="hidden" name="csrf_token" value="${csrfToken}" />
      ${form}
    </form>
    <p class="small">
      Not expecting this? Close the page and nothing happens. The link ends in ${minutesLeft}
      ${minutesLeft === 1 ? 'minute' : 'minutes'}.
    </p>`
  return page({ title: `Connect ${service}`, state: 'open', body })
}

function signInForm(appName: string, service: string, asksToReplace = false): Markup {
  return html`<ul>
      <li>${icon('good')}You sign in at ${service} itself and decide there what to allow.</li>
      <li>${icon('good')}${appName} never sees your password.</li>
      <li>${icon('good')}You can take the access back in your ${service} account at any time.</li>
    </ul>
    ${asksToReplace ? replaceChoice(appName, service) : ''}
    <button type="submit">Continue to ${service}</button>`
}

function replaceChoice(appName: string, service: string): Markup {
  return html`<label class="choice"
    ><input type="checkbox" name="replace_account" value="yes" /> ${appName} shall use another ${service} account from
    now on</label
  >`
}

function keyForm(service: string): Markup {
  return html`<ul>
      <li>${icon('good')}The key is tried once, then kept encrypted and sent to ${service} only.</li>
      <li>${icon('good')}Nobody can read it here again, and you can withdraw it at ${service}.</li>
    </ul>
    <label for="api_key">Your ${service} API key</label>
    <input
      type="password"
      id="api_key"
      name="api_key"
      required
      maxlength="4096"
      autocomplete="off"
      autocapitalize="off"
      spellcheck="false"
    />
    <button type="submit">Connect ${service}</button>`
}
