/** Marks the input requests that are ours and not an upstream's. */
const PREFIX = 'latchkey.authorize.'

/** The key under which we ask for a connection to be authorized. */
export function inputKeyOf(connectionName: string): string {
  return `${PREFIX}${connectionName}`
}

export function isOurInputKey(key: string): boolean {
  return key.startsWith(PREFIX)
}
