import {
  STATUS_EVENT_TYPE,
  type WireConfig,
  type WireConnectionAuthState,
  type WireInstance,
  type WireSessionToken,
  type WireStatusEvent,
} from '@latchkey/core/wire'
import type { AccountEvent, Connection, McpConfig, McpInstance } from '../domain.ts'
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

    sessionToken({ token, expiresAt }: { token: Secret; expiresAt: Date }): WireSessionToken {
      return { token: token.reveal(), expires_at: expiresAt.toISOString() }
    },

    statusEvent(event: AccountEvent, connection: Connection): WireStatusEvent {
      return {
        spec_version: '1',
        id: event.id,
        type: STATUS_EVENT_TYPE,
        occurred_at: event.occurredAt.toISOString(),
        object: 'connected_account',
        data: {
          id: event.accountId,
          identifier: event.userIdentifier,
          connection_id: connection.id,
          connection_name: connection.name,
          provider: connection.provider,
          authorization_type: connection.auth.type,
          status: event.status,
          old_status: event.oldStatus,
        },
      }
    },
  }

  function config({ id, name, description, mappings }: McpConfig): WireConfig {
    return {
      id,
      name,
      ...(description !== undefined && { description }),
      mcp_server_url: configs.mcpServerUrl({ id }),
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
