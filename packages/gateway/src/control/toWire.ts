import type {
  WireConfig,
  WireConnectedAccount,
  WireConnectionAuthState,
  WireInstance,
  WireSessionToken,
} from '@latchkey/core/wire'
import type { ConnectedAccount, Connection, McpConfig, McpInstance } from '../domain.ts'
import type { Secret } from '../secret.ts'
import type { AccountOfConnection, Configs, Registry } from '../services.ts'

export interface ToWireOptions {
  readonly registry: Registry
  readonly configs: Pick<Configs, 'mcpServerUrl'>
}

export interface AuthenticationLink {
  readonly url: Secret
  readonly expiresAt: Date
}

/** Our objects as the API spells them. With `wire/`, the only place that knows the names. */
export function createToWire({ registry, configs }: ToWireOptions) {
  return {
    config,

    instance(instance: McpInstance, ofConfig: McpConfig, url: Secret): WireInstance {
      return {
        id: instance.id,
        name: instance.name,
        user_identifier: instance.userIdentifier,
        config: config(ofConfig),
        url: url.reveal(),
        ...(instance.lastUsedAt && { last_used_at: instance.lastUsedAt.toISOString() }),
        updated_at: instance.updatedAt.toISOString(),
      }
    },

    authState({ connection, account }: AccountOfConnection, link: AuthenticationLink | undefined) {
      const state: WireConnectionAuthState = {
        connection_id: connection.id,
        connection_name: connection.name,
        provider: connection.provider,
        connected_account_id: account.id,
        connected_account_status: account.status,
      }
      if (link === undefined) return state
      return {
        ...state,
        authentication_link: link.url.reveal(),
        authentication_link_expires_at: link.expiresAt.toISOString(),
      }
    },

    /** Nothing of an account whose connection is not configured any more. */
    account(account: ConnectedAccount): WireConnectedAccount | [] {
      const connection = registry.connection(account.connectionId)
      if (connection === undefined) return []
      return {
        id: account.id,
        identifier: account.userIdentifier,
        connection_id: connection.id,
        connection_name: connection.name,
        connector: connection.name,
        provider: connection.provider,
        authorization_type: connection.auth.type,
        status: account.status,
        created_at: account.createdAt.toISOString(),
        updated_at: account.updatedAt.toISOString(),
      }
    },

    sessionToken({ token, expiresAt }: { token: Secret; expiresAt: Date }): WireSessionToken {
      return { token: token.reveal(), expires_at: expiresAt.toISOString() }
    },
  }

  function config({ id, name, description, mappings, toolNames }: McpConfig): WireConfig {
    return {
      id,
      name,
      ...(description !== undefined && { description }),
      mcp_server_url: configs.mcpServerUrl({ id }),
      ...(toolNames !== undefined && { tool_names: toolNames }),
      connection_tool_mappings: mappings.flatMap(({ connectionId, tools }) => {
        const connection = registry.connection(connectionId)
        return connection === undefined ? [] : mapping(connection, tools)
      }),
    }
  }
}

export type ToWire = ReturnType<typeof createToWire>

function mapping({ id, name, provider }: Connection, tools: readonly string[] | undefined) {
  return { connection_id: id, connection_name: name, provider, ...(tools !== undefined && { tools: [...tools] }) }
}
