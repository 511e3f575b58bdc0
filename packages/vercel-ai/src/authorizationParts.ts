import type { ConnectionState } from '@latchkey/core'

/** What a chat shows as a "Connect" card: one connection of the user whose chat it is. */
export interface AuthorizationCard {
  readonly connectionName: string
  /** `required` until the user has authorized it. */
  readonly status: 'required' | 'connected'
  /** Where this user, and nobody else, goes to connect; absent once that is done. */
  readonly authenticationLink?: string | undefined
  /** When the link stops working, in ISO 8601; absent if it does not. */
  readonly expiresAt?: string | undefined
}

/**
 * The data parts of Latchkey, for the type of an app's messages.
 *
 * @example
 * type ChatMessage = UIMessage<never, AuthorizationDataParts>
 */
export type AuthorizationDataParts = { 'latchkey-authorization': AuthorizationCard }

/** A data part of the AI SDK's UI message stream. A later one with the same `id` takes its place in the message. */
export interface AuthorizationPart {
  readonly type: 'data-latchkey-authorization'
  readonly id: string
  readonly data: AuthorizationCard
}

/**
 * The cards for what a user has to authorize, to be written into the stream of that user's own chat: before a run from
 * `latchkey.pending`, from what is `missing` or from the `connections` of an error; after it from `pendingAuthorization`.
 *
 * `convertToModelMessages` leaves them out, so no model gets a link. Whoever saves the messages saves the links, which
 * with `startUrl` are no secret. Write other links as `{ ...part, transient: true }`: the AI SDK then hands them to
 * `onData`, and keeps them in no message.
 *
 * @param pending - What has to be authorized, with links. What is ACTIVE among it gives a card that is `connected`.
 * @param shown - The parts of the message that is continued: each card there whose connection is not `pending` becomes
 * `connected`, so `pending` must be all of it then. Default: none.
 * @example
 * const pending = await latchkey.pending('user_123')
 * for (const part of authorizationParts(pending?.connections ?? [], messages.at(-1)?.parts)) writer.write(part)
 */
export function authorizationParts(
  pending: readonly ConnectionState[],
  shown: readonly { readonly type: string }[] = [],
): AuthorizationPart[] {
  const isPending = new Set(pending.map(({ connectionName }) => connectionName))
  const done = shown
    .filter((part) => isAuthorizationPart(part))
    .filter(({ data }) => data.status === 'required' && !isPending.has(data.connectionName))
    .map(({ data }) => connected(data.connectionName))
  return [...pending.map(toCard), ...done].map(toPart)
}

function isAuthorizationPart(part: { readonly type: string }): part is AuthorizationPart {
  return part.type === 'data-latchkey-authorization'
}

function toCard(state: ConnectionState): AuthorizationCard {
  const { connectionName, authenticationLink, authenticationLinkExpiresAt, isActive } = state
  if (isActive) return connected(connectionName)
  const expiresAt = authenticationLinkExpiresAt?.toISOString()
  return { connectionName, status: 'required', authenticationLink, expiresAt }
}

function connected(connectionName: string): AuthorizationCard {
  return { connectionName, status: 'connected' }
}

/** By the name, because a call that was refused knows nothing else of its connection. */
function toPart(data: AuthorizationCard): AuthorizationPart {
  return { type: 'data-latchkey-authorization', id: `latchkey-authorization-${data.connectionName}`, data }
}
