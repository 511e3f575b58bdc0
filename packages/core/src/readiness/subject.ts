/** Who is asked for, and with which config. */
export interface Subject {
  readonly userIdentifier: string
  readonly configName: string
}

/** For messages. */
export function nameOf({ userIdentifier }: Subject): string {
  return `user ${JSON.stringify(userIdentifier)}`
}
