import { LatchkeyError, type LatchkeyErrorCode } from '@latchkey/core'
import { CommanderError } from 'commander'
import { GatewayError } from '../errors.ts'
import { CommandError } from './commandError.ts'
import { EXIT } from './exitCodes.ts'
import { shown } from './shown.ts'

const EXIT_OF_CODE: Partial<Record<LatchkeyErrorCode, number>> = {
  authorization_required: EXIT.authorization,
  authorization_timeout: EXIT.authorization,
  authorization_failed: EXIT.authorization,
  unknown_config: EXIT.notFound,
  unknown_tool: EXIT.notFound,
  invalid_user_identifier: EXIT.usage,
  unavailable: EXIT.unreachable,
  invalid_response: EXIT.unreachable,
  timeout: EXIT.unreachable,
  unauthorized: EXIT.refused,
  aborted: EXIT.interrupted,
}

export interface Report {
  readonly exitCode: number
  readonly code: string
  readonly message: string
}

/** What to say of an error, and with which code to end. Undefined where it has been said already. */
export function reportOf(error: unknown): Report | number {
  // Commander has printed its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  if (error instanceof CommandError) return { exitCode: error.exitCode, code: error.code, message: error.message }
  if (error instanceof LatchkeyError) {
    const { code } = error
    return { exitCode: EXIT_OF_CODE[code] ?? EXIT.failed, code, message: messageOf(error) }
  }
  if (error instanceof GatewayError) return { exitCode: EXIT.failed, code: error.code, message: error.message }
  if (error instanceof Error && error.name === 'AbortError') {
    return { exitCode: EXIT.interrupted, code: 'aborted', message: 'Stopped.' }
  }
  const message = error instanceof Error ? error.message : 'Something went wrong.'
  return { exitCode: EXIT.failed, code: 'internal', message }
}

/** Core's messages begin in lower case, for they are read within an app's own. */
function messageOf({ code, message, connections }: LatchkeyError): string {
  if (code === 'aborted') return 'Stopped.'
  const told = connections.map(({ connectionName, status }) => `${shown(connectionName)} is ${shown(status)}`)
  const tail = told.length > 0 && !told.some((one) => message.includes(one)) ? ` (${told.join(', ')})` : ''
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${tail}`
}
