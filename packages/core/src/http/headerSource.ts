import type { RenewableToken } from './renewableToken.ts'

/** Headers that prove who asks, and may have to be renewed. */
export interface HeaderSource {
  headers(signal?: AbortSignal): Promise<Record<string, string>>
  /** Other headers than those that were refused; undefined where there are no others. */
  headersAfterRefusal(
    refused: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Record<string, string> | undefined>
}

/** A token as `Authorization: Bearer` (RFC 6750, section 2.1). */
export function bearerHeaders(token: Pick<RenewableToken, 'get' | 'afterRefusal'>): HeaderSource {
  return {
    headers: async (signal) => bearer(await token.get(signal)),
    headersAfterRefusal: async (refused, signal) =>
      bearer(await token.afterRefusal((refused['authorization'] ?? '').replace(/^Bearer /, ''), signal)),
  }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}
