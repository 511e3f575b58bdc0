/** What doctor says of one thing. Never a secret. */
export interface Finding {
  /** What was looked at. Stable: scripts may look for it. */
  readonly check: CheckName
  /** `note`: good to know, and nothing has to be done. */
  readonly level: 'ok' | 'note' | 'warning' | 'problem'
  /** Whom it is about, where that is not the gateway: a connection, a tool, a file. */
  readonly subject?: string | undefined
  readonly message: string
  /** What to do about it. */
  readonly advice?: string | undefined
}

export type CheckName =
  | 'config.file'
  | 'config.keys'
  | 'config.applied'
  | 'gateway.reachable'
  | 'gateway.tls'
  | 'gateway.clock'
  | 'gateway.ready'
  | 'gateway.credentials'
  | 'gateway.public_url'
  | 'gateway.user_verification'
  | 'gateway.keys'
  | 'gateway.webhooks'
  | 'gateway.events'
  | 'user.instance'
  | 'user.last_event'
  | 'connection.status'
  | 'connection.credential'
  | 'connection.upstream'
  | 'tool.missing'
  | 'tool.refused'
  | 'tool.renamed'
