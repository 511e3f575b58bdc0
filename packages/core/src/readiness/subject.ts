/** Who is asked for, and with which config. */
export interface Subject {
  readonly userIdentifier: string
  readonly configName: string
  /** Whether it may be an endpoint for those connections only that are ACTIVE. Default: it needs all of them. */
  readonly partial?: boolean | undefined
  /** What the credential is narrowed to: names as the endpoint lists them, in order, each once. Default: every tool. */
  readonly tools?: readonly string[] | undefined
}

/** What tells endpoints of the same user and config apart. */
export function scopeOf({ partial = false, tools }: Subject): string {
  return partial || tools ? JSON.stringify([partial, tools ?? null]) : ''
}

/** For messages. */
export function nameOf({ userIdentifier }: Subject): string {
  return `user ${JSON.stringify(userIdentifier)}`
}
