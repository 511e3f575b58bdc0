import { AUTHORIZE_INPUT_KEY_PREFIX } from '@latchkey/core/wire'

/** The key under which we ask for a connection to be authorized. */
export function inputKeyOf(connectionName: string): string {
  return `${AUTHORIZE_INPUT_KEY_PREFIX}${connectionName}`
}

/** Whether an input request or response is ours and not an upstream's. */
export function isOurInputKey(key: string): boolean {
  return key.startsWith(AUTHORIZE_INPUT_KEY_PREFIX)
}
