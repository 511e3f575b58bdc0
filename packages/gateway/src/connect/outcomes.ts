import type { ConnectPageInput } from './connectPage.ts'

interface Outcome {
  readonly status: 200 | 400 | 403 | 409 | 422 | 502
  readonly notice: (service: string) => NonNullable<ConnectPageInput['notice']>
}

/** How the last try ended, where the same link may be tried again. */
export type OutcomeName =
  | 'declined'
  | 'refused'
  | 'unavailable'
  | 'unusable'
  | 'interrupted'
  | 'other-account'
  | 'key-missing'
  | 'key-rejected'
  | 'fields-missing'
  | 'fields-rejected'

export const OUTCOMES: Readonly<Record<OutcomeName, Outcome>> = {
  declined: outcome(403, 'warn', () => 'Access was declined, so nothing was connected. You can try again.'),
  refused: outcome(
    403,
    'bad',
    (service) => `${service} did not complete the sign-in, so nothing was connected. You can try again.`,
  ),
  unavailable: outcome(
    502,
    'bad',
    (service) => `${service} does not answer at the moment. Nothing was connected. Try again in a minute.`,
  ),
  unusable: outcome(
    502,
    'bad',
    (service) =>
      `${service} cannot be connected: its sign-in is not set up as it should be. Tell the people who run the app.`,
  ),
  interrupted: outcome(
    409,
    'warn',
    () => 'The account was changed elsewhere at the same moment, so nothing was connected. Try again.',
  ),
  'other-account': outcome(
    409,
    'warn',
    (service) => `That was another ${service} account than the one that was connected before, so nothing was changed.`,
  ),
  'key-missing': outcome(400, 'bad', () => 'Enter the key as it was given to you: one line, without spaces.'),
  'fields-missing': outcome(400, 'bad', () => 'Fill in every field as it was given to you, each on one line.'),
  'fields-rejected': outcome(422, 'bad', (service) => `${service} does not accept this. Check it and try again.`),
  'key-rejected': outcome(422, 'bad', (service) => `${service} does not accept this key. Check it and try again.`),
}

/** The outcome that a page's address names; undefined for anything else that somebody wrote there. */
export function outcomeNamed(name: string | undefined): OutcomeName | undefined {
  return name !== undefined && isOutcomeName(name) ? name : undefined
}

function isOutcomeName(name: string): name is OutcomeName {
  return Object.hasOwn(OUTCOMES, name)
}

function outcome(status: Outcome['status'], tone: 'warn' | 'bad', text: (service: string) => string): Outcome {
  return { status, notice: (service) => ({ tone, text: text(service) }) }
}
