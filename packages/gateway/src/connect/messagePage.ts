import { html } from 'hono/html'
import { type Markup, page, type PageState, pair, sign, type Tone } from './page.ts'

export interface Message {
  readonly tone: Tone
  readonly title: string
  /** What to do next. */
  readonly text: string
  readonly state?: PageState
  /** Whom it is about, where that is known. */
  readonly between?: { readonly appName: string; readonly serviceName: string }
}

/** A page that only says something. */
export function messagePage({ tone, title, text, state = 'final', between }: Message): Markup {
  const top = between ? pair(between.appName, between.serviceName, tone) : sign(tone)
  const body = html`${top}
    <h1>${title}</h1>
    <p class="lead">${text}</p>`
  return page({ title, state, body })
}
