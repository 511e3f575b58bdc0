import { html } from 'hono/html'
import { fieldsOf, type TypedField } from '../credentialFields.ts'
import type { Connection } from '../domain.ts'
import { icon, type Markup, page, pair } from './page.ts'

export interface ConnectPageInput {
  readonly appName: string
  readonly connection: Connection
  readonly csrfToken: string
  /** The account was connected before, and that has ended. */
  readonly again: boolean
  /** The account is connected, and the service wants its user to allow more. */
  readonly asksForMore?: boolean | undefined
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
  asksForMore = false,
  minutesLeft,
  asksToReplace,
  notice,
}: ConnectPageInput): Markup {
  const service = connection.displayName
  const fields = fieldsOf(connection)
  const form = fields.length > 0 ? fieldsForm(service, fields) : signInForm(appName, service, asksToReplace)
  const body = html`${pair(appName, service)}
    <h1>Connect ${service} to ${appName}</h1>
    <p class="lead">
      <b>${appName}</b> asks to use your
      <b>${service}</b>
      account${again ? ' again: its access has ended' : ''}${asksForMore ? ' for more than you have allowed so far' : ''}.
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

function fieldsForm(service: string, fields: readonly TypedField[]): Markup {
  const what = fields.length === 1 ? 'The key is tried once, then kept' : 'What you enter is tried once, then kept'
  return html`<ul>
      <li>${icon('good')}${what} encrypted and sent to ${service} only.</li>
      <li>${icon('good')}Nobody can read it here again, and you can withdraw it at ${service}.</li>
    </ul>
    ${fields.map((field) => input(field))}
    <button type="submit">Connect ${service}</button>`
}

function input({ name, label, secret }: TypedField): Markup {
  return html`<label for="${name}">${label}</label>
    <input
      type="${secret ? 'password' : 'text'}"
      id="${name}"
      name="${name}"
      required
      maxlength="4096"
      autocomplete="off"
      autocapitalize="off"
      spellcheck="false"
    />`
}
