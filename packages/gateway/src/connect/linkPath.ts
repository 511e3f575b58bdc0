import type { OutcomeName } from './outcomes.ts'

/** Where the page of a link is, and how the last try ended. */
export function pathOf(token: string, outcome?: OutcomeName): string {
  const path = `/connect/${encodeURIComponent(token)}`
  return outcome === undefined ? path : `${path}?outcome=${outcome}`
}
