/** A user of the app, and who that is elsewhere. */
export interface Person {
  /** The app's own id of its user. */
  readonly userIdentifier: string
  /** The name with which this person signs in at the mail and calendar service. */
  readonly account: string
}

export const ALICE: Person = { userIdentifier: 'user_alice', account: 'alice' }
export const BOB: Person = { userIdentifier: 'user_bob', account: 'bob' }
export const PEOPLE = [ALICE, BOB] as const
