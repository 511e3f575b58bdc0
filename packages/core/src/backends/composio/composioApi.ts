import { LatchkeyError } from '../../errors.ts'
import type { ControlPlane } from '../controlPlane.ts'
import { accountListSchema, generatedUrlsSchema, linkSchema, type WireAccount, type WireLink } from './schemas.ts'
import type { ComposioConnection } from './servers.ts'

/** What is asked about one user. */
export interface ComposioApi {
  /** The MCP URL of a user at a server. Nothing is made by asking. */
  urlOf(serverId: string, userIdentifier: string, signal?: AbortSignal): Promise<string>
  /** The newest first. */
  accountsOf(
    userIdentifier: string,
    connections: readonly ComposioConnection[],
    signal?: AbortSignal,
  ): Promise<readonly WireAccount[]>
  /** Makes an account that is not connected yet, and the link that connects it. */
  link(userIdentifier: string, connection: ComposioConnection, signal?: AbortSignal): Promise<WireLink>
}

/** More pages than any user has; a listing that goes round in circles ends there. */
const MAX_PAGES = 20

export function createComposioApi(controlPlane: ControlPlane): ComposioApi {
  return {
    async urlOf(serverId, userIdentifier, signal) {
      const user = JSON.stringify(userIdentifier)
      const { user_ids_url: urls } = await controlPlane.request({
        method: 'POST',
        path: '/api/v3.1/mcp/servers/generate',
        body: { mcp_server_id: serverId, user_ids: [userIdentifier], managed_auth_by_composio: false },
        schema: generatedUrlsSchema,
        doing: `getting the MCP URL of user ${user}`,
        idempotent: true,
        signal,
      })
      const [url = ''] = urls
      if (URL.canParse(url) && new URL(url).searchParams.get('user_id') === userIdentifier) return url
      throw new LatchkeyError('invalid_response', `Composio gave an MCP URL that is not one of user ${user}`)
    },

    async accountsOf(userIdentifier, connections, signal) {
      if (connections.length === 0) return []
      const accounts: WireAccount[] = []
      let cursor = ''
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const query = new URLSearchParams({
          user_ids: userIdentifier,
          auth_config_ids: connections.map(({ authConfigId }) => authConfigId).join(','),
          order_by: 'updated_at',
          order_direction: 'desc',
          limit: '100',
          ...(cursor === '' ? {} : { cursor }),
        })
        const { items, next_cursor: next } = await controlPlane.request({
          method: 'GET',
          path: `/api/v3.1/connected_accounts?${query.toString()}`,
          schema: accountListSchema,
          doing: `reading the connected accounts of user ${JSON.stringify(userIdentifier)}`,
          idempotent: true,
          signal,
        })
        accounts.push(...items)
        if (!next || next === cursor) break
        cursor = next
      }
      return accounts
    },

    link: (userIdentifier, { authConfigId, name }, signal) =>
      controlPlane.request({
        method: 'POST',
        path: '/api/v3.1/connected_accounts/link',
        body: { auth_config_id: authConfigId, user_id: userIdentifier },
        schema: linkSchema,
        doing: `making a link for user ${JSON.stringify(userIdentifier)} and connection ${JSON.stringify(name)}`,
        idempotent: false,
        signal,
      }),
  }
}
