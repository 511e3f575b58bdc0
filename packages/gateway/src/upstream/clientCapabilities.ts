import { isObject } from './protocol.ts'

/**
 * What a client can be asked in the middle of a call, as letters in alphabetical order, so that it can be a key and
 * part of an id: `c` sampling with context, `f` elicitation by form, `r` roots, `s` sampling, `t` sampling with tools,
 * `u` elicitation by URL. Capabilities that the gateway does not know are not among them: it could not relay them.
 */
export type CapabilityCode = string

/** Of a client that can be asked nothing. */
export const NO_CAPABILITIES: CapabilityCode = ''

export function capabilityCode(capabilities: unknown): CapabilityCode {
  if (!isObject(capabilities)) return NO_CAPABILITIES
  const { elicitation, sampling, roots } = capabilities
  const letters = [
    ...(isObject(elicitation) ? elicitationLetters(elicitation) : []),
    ...(isObject(sampling) ? ['s', ...(isObject(sampling['context']) ? ['c'] : [])] : []),
    ...(isObject(sampling) && isObject(sampling['tools']) ? ['t'] : []),
    ...(isObject(roots) ? ['r'] : []),
  ]
  return letters.toSorted().join('')
}

/** An empty object means forms, as it did before there was anything else (2025-11-25, "Elicitation"). */
function elicitationLetters({ form, url }: Record<string, unknown>): string[] {
  const byUrl = isObject(url)
  return [...(isObject(form) || !byUrl ? ['f'] : []), ...(byUrl ? ['u'] : [])]
}

/** The capabilities as a client of any revision declares them. */
export function capabilitiesOf(code: CapabilityCode): Record<string, unknown> {
  const has = (letter: string) => code.includes(letter)
  return {
    ...((has('f') || has('u')) && { elicitation: { ...(has('f') && { form: {} }), ...(has('u') && { url: {} }) } }),
    ...(has('s') && { sampling: { ...(has('c') && { context: {} }), ...(has('t') && { tools: {} }) } }),
    ...(has('r') && { roots: {} }),
  }
}

/** Whether a client that declared this can be asked by this method. */
export function canBeAsked(code: CapabilityCode, method: string): boolean {
  if (method === 'elicitation/create') return code.includes('f') || code.includes('u')
  if (method === 'sampling/createMessage') return code.includes('s')
  return method === 'roots/list' && code.includes('r')
}
