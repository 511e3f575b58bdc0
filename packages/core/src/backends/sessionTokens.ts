import { LatchkeyError } from '../errors.ts'
import { parseJsonObject } from '../http/parseJson.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'
import { toSessionToken } from '../wire/mapping.ts'
import { readSessionTokenSchema } from '../wire/schemas.ts'
import type { Backend, SessionToken } from './backend.ts'
import type { ControlPlane } from './controlPlane.ts'

type MintInput = Parameters<NonNullable<Backend['createSessionToken']>>[0]

/** @param refused see `Question.refused`. */
export async function requestSessionToken(
  controlPlane: ControlPlane,
  { instance, expirySeconds, tools, allowPartial }: MintInput,
  signal: AbortSignal | undefined,
  refused: (status: number, body: string) => LatchkeyError | undefined,
): Promise<SessionToken> {
  const { id, configId, userIdentifier } = instance
  if (configId === undefined)
    throw new LatchkeyError('invalid_response', `instance ${id} names no config to get a session token for`)
  const answer = await controlPlane.request({
    method: 'POST',
    path: `/api/v1/mcp/configs/${encodeURIComponent(configId)}/tokens`,
    body: {
      identifier: userIdentifier,
      ...(expirySeconds === undefined ? {} : { expiry: `${expirySeconds}s` }),
      ...(tools === undefined ? {} : { tools }),
      ...(allowPartial === true ? { allow_partial: true } : {}),
    },
    schema: readSessionTokenSchema,
    doing: `getting a session token for user ${JSON.stringify(userIdentifier)}`,
    idempotent: true,
    signal,
    refused,
  })
  refuseOtherUser(answer.token, userIdentifier)
  return toSessionToken(answer)
}

/**
 * A token that says that it is somebody else's is not used. It is not verified: who verifies it is the MCP endpoint, and
 * one that says nothing is believed.
 */
function refuseOtherUser(token: string, userIdentifier: string): void {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  const { sub } = parseJsonObject(payload)
  if (typeof sub === 'string' && sub !== userIdentifier)
    throw new LatchkeyError(
      'invalid_response',
      `the control plane gave a session token of another user than ${JSON.stringify(userIdentifier)}`,
    )
}

/** Why there is no session token: with the links, where they could be had. */
export function notAllActive(states: readonly ConnectionState[], userIdentifier: string): LatchkeyError {
  return new LatchkeyError(
    'authorization_required',
    `user ${JSON.stringify(userIdentifier)} has connections to authorize before a session token can be had`,
    { connections: states.filter((state) => !state.isActive) },
  )
}
