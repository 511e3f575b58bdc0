import type { LatchkeyError } from '../errors.ts'

/**
 * What a run has stopped for: a call that needs the user's consent. It is JSON, and goes to whoever shows it to the user,
 * and into what the framework keeps of the run. The links are in it.
 */
export interface AuthorizationRequest {
  readonly type: 'authorization_required'
  readonly userIdentifier: string
  /** The tool that is called again when the run is resumed; absent where the tools themselves could not be had. */
  readonly tool?: string
  readonly connections: readonly {
    readonly connectionName: string
    readonly authenticationLink: string | undefined
    /** ISO 8601. */
    readonly expiresAt: string | undefined
  }[]
}

/**
 * Says as data what a refused call lacks. For whoever writes an adapter for a framework that can stop a run.
 *
 * @param error - With code `authorization_required`.
 * @example
 * if (isAuthorizationRequired(error)) return suspend(authorizationRequest(error, { userIdentifier, tool: tool.name }))
 */
export function authorizationRequest(
  { connections }: LatchkeyError,
  about: Pick<AuthorizationRequest, 'userIdentifier' | 'tool'>,
): AuthorizationRequest {
  return {
    type: 'authorization_required',
    ...about,
    connections: connections.map(({ connectionName, authenticationLink, authenticationLinkExpiresAt }) => ({
      connectionName,
      authenticationLink,
      expiresAt: authenticationLinkExpiresAt?.toISOString(),
    })),
  }
}
