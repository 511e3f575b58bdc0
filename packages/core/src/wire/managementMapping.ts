import type { DiagnosedConnection, Diagnosis, McpConfig, ToolMapping } from '../backends/gatewayManagement.ts'
import type { WireDiagnosedConnection, WireDiagnostics } from './diagnosticsSchemas.ts'
import { toDate } from './mapping.ts'
import type { WireConfig, WireConnectionToolMapping } from './schemas.ts'

export function toConfig(wire: WireConfig): McpConfig {
  const { id, name, description, tool_names: toolNames, connection_tool_mappings: mappings } = wire
  return {
    id,
    name,
    description: description || undefined,
    toolNames,
    mappings: mappings.map(({ connection_name: connectionName, tools = [] }) => ({
      connectionName,
      tools: tools.length > 0 ? tools : undefined,
    })),
  }
}

export function toWireMappings(mappings: readonly ToolMapping[]): WireConnectionToolMapping[] {
  return mappings.map(({ connectionName, tools }) => ({
    connection_name: connectionName,
    ...(tools === undefined ? {} : { tools: [...tools] }),
  }))
}

export function toDiagnosis(wire: WireDiagnostics): Diagnosis {
  return {
    time: toDate(wire.time) ?? new Date(0),
    version: wire.version,
    publicUrl: wire.public_url,
    userVerification: wire.user_verification,
    database: wire.database,
    checks: wire.checks,
    keys: wire.keys.map((key) => ({
      ring: key.ring,
      keyId: key.key_id,
      isCurrent: key.is_current,
      isAvailable: key.is_available,
      retiredAt: toDate(key.retired_at),
    })),
    webhooks: wire.webhooks.map((webhook) => ({
      id: webhook.id,
      url: webhook.url,
      isEnabled: webhook.enabled,
      disabledReason: webhook.disabled_reason,
      failingSince: toDate(webhook.failing_since),
    })),
    connectionNames: wire.connection_names,
    user: wire.user && {
      userIdentifier: wire.user.user_identifier,
      lastEventAt: toDate(wire.user.last_event_at),
      configs: wire.user.configs.map((config) => ({
        configName: config.config_name,
        hasInstance: config.has_instance,
        connections: config.connections.map(toDiagnosedConnection),
      })),
    },
  }
}

function toDiagnosedConnection(wire: WireDiagnosedConnection): DiagnosedConnection {
  const { credential, refresh } = wire
  return {
    connectionName: wire.connection_name,
    status: wire.connected_account_status,
    statusChangedAt: toDate(wire.status_changed_at),
    credential: credential && {
      type: credential.type,
      expiresAt: toDate(credential.expires_at),
      isRenewable: credential.is_renewable,
    },
    refresh: refresh && { failures: refresh.failures, failedAt: toDate(refresh.failed_at) },
    unavailable: wire.unavailable,
    tools: wire.tools.map((tool) => ({
      upstreamName: tool.upstream_name,
      name: tool.name,
      problem: tool.problem,
      reason: tool.reason,
      suggestion: tool.suggestion,
    })),
  }
}
