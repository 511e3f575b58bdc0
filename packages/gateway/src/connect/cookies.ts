import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { randomToken } from './digests.ts'

/** Ten minutes: the time that a person has between the button and the provider's answer. */
export const FLOW_LIFE_SECONDS = 600

/**
 * The cookies of the connect pages. On https they carry the `__Host-` prefix, so that no sibling domain can plant one;
 * a gateway on loopback has no https, and then they are plain.
 */
export function createCookies(secure: boolean): {
  /** Ties the form of a page to the browser that loaded it. */
  page(context: Context): string | undefined
  ensurePage(context: Context): string
  /** Ties one attempt to the browser that began it. One for each attempt: people connect several services in tabs. */
  flow(context: Context, stateHash: string): string | undefined
  setFlow(context: Context, stateHash: string, value: string): void
  clearFlow(context: Context, stateHash: string): void
} {
  const options = { path: '/', httpOnly: true, sameSite: 'Lax', secure } as const
  const named = (name: string) => `${secure ? '__Host-' : ''}latchkey_${name}`
  const flowName = (stateHash: string) => named(`flow_${stateHash.slice(0, 16)}`)
  const page = (context: Context) => getCookie(context, named('page'))
  return {
    page,
    ensurePage(context) {
      const existing = page(context)
      if (existing !== undefined && existing !== '') return existing
      const value = randomToken()
      setCookie(context, named('page'), value, options)
      return value
    },
    flow: (context, stateHash) => getCookie(context, flowName(stateHash)),
    setFlow: (context, stateHash, value) =>
      setCookie(context, flowName(stateHash), value, { ...options, maxAge: FLOW_LIFE_SECONDS }),
    clearFlow(context, stateHash) {
      deleteCookie(context, flowName(stateHash), { path: '/', secure })
    },
  }
}
