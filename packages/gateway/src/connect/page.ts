import { html, raw } from 'hono/html'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/** A piece of markup in which everything that was put in is escaped. */
export type Markup = ReturnType<typeof html>

export type Tone = 'good' | 'warn' | 'bad'

/** What the page's script compares with; `final` pages do not change by themselves. */
export type PageState = 'open' | 'connected' | 'expired' | 'final'

// The browser checks both against the hashes in the policy, so not one space may come between the tags and the text.
const style = raw(`<style>${STYLE}</style>`)
const script = raw(`<script>${SCRIPT}</script>`)

/** The frame of every page. */
export function page({ title, state, body }: { title: string; state: PageState; body: Markup }): Markup {
  return html`<!doctype html>
    <html lang="en" data-state="${state}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex, nofollow" />
        <title>${title}</title>
        ${style}
      </head>
      <body>
        <main>${body}</main>
        <footer>Secured by Latchkey</footer>
        ${script}
      </body>
    </html> `
}

/** The app's and the service's marks, with what is between them. */
export function pair(appName: string, serviceName: string, tone?: Tone): Markup {
  return html`<div class="pair" aria-hidden="true">
    <span class="mark">${initial(appName)}</span
    ><span class="link ${tone ?? ''}">${tone ? icon(tone) : raw('<i></i><i></i><i></i>')}</span
    ><span class="mark">${initial(serviceName)}</span>
  </div>`
}

/** A round sign on top of a page that is about no service. */
export function sign(tone: Tone): Markup {
  return html`<div class="sign ${tone}" aria-hidden="true">${icon(tone)}</div>`
}

const SHAPES: Record<Tone, string> = {
  good: '<path d="M20 6 9 17l-5-5"/>',
  warn: '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>',
  bad: '<path d="M18 6 6 18M6 6l12 12"/>',
}

export function icon(tone: Tone): Markup {
  const attributes = 'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"'
  return raw(`<svg ${attributes} stroke-linejoin="round" aria-hidden="true">${SHAPES[tone]}</svg>`)
}

const graphemes = new Intl.Segmenter()

function initial(name: string): string {
  const [first] = graphemes.segment(name.trim())
  return first?.segment.toUpperCase() ?? '·'
}
