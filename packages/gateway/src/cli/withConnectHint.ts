import { LatchkeyError } from '@latchkey/core'
import { CommandError } from './commandError.ts'
import { EXIT } from './exitCodes.ts'
import { shown } from './shown.ts'

/** Says with which command the user connects what is missing. The links themselves are shown there only. */
export async function withConnectHint<T>(userIdentifier: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'authorization_required') throw error
    const missing = error.connections.map(
      ({ connectionName, status }) => `${shown(connectionName)} is ${shown(status)}`,
    )
    throw new CommandError(
      EXIT.authorization,
      error.code,
      `User ${JSON.stringify(userIdentifier)} has something to connect first: ${missing.join(', ')}. ` +
        `Show the links: latchkey connect ${userIdentifier}`,
    )
  }
}
