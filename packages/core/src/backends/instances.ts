import { LatchkeyError } from '../errors.ts'
import type { ConnectionState } from '../readiness/connectionState.ts'
import { toConnectionState } from '../wire/mapping.ts'
import { ensuredInstanceSchema, readAuthStateSchema, type WireEnsuredInstance } from '../wire/schemas.ts'
import type { BackendCallOptions } from './backend.ts'
import { unknownConfig } from './configs.ts'
import type { ControlPlane } from './controlPlane.ts'
import { readErrorBody } from './translateError.ts'

/** @param wanted what is to be answered besides, where the service can. */
export async function requestInstance(
  controlPlane: ControlPlane,
  { configName, userIdentifier }: { configName: string; userIdentifier: string },
  wanted: Readonly<Record<string, boolean>>,
  { signal }: BackendCallOptions = {},
): Promise<WireEnsuredInstance> {
  try {
    return await controlPlane.request({
      method: 'POST',
      path: '/api/v1/mcp/instances',
      body: { config_name: configName, user_identifier: userIdentifier, ...wanted },
      schema: ensuredInstanceSchema,
      doing: `ensuring the MCP instance of user ${JSON.stringify(userIdentifier)}`,
      idempotent: true,
      signal,
      refused: (status, body) => (status === 404 && readErrorBody(body) ? new UnknownConfig() : undefined),
    })
  } catch (error) {
    throw error instanceof UnknownConfig ? await unknownConfig(controlPlane, configName, signal) : error
  }
}

export async function requestAuthState(
  controlPlane: ControlPlane,
  instanceId: string,
  { signal, includeAuthLinks = false }: BackendCallOptions & { includeAuthLinks?: boolean } = {},
): Promise<readonly ConnectionState[]> {
  const answer = await controlPlane.request({
    method: 'POST',
    path: `/api/v1/mcp/instances/${encodeURIComponent(instanceId)}:get_auth_state`,
    body: { include_auth_links: includeAuthLinks },
    schema: readAuthStateSchema,
    doing: `reading the auth state of instance ${instanceId}`,
    // With links it mints them, so it is not sent again.
    idempotent: !includeAuthLinks,
    signal,
  })
  return answer.connections.map(toConnectionState)
}

class UnknownConfig extends LatchkeyError {
  constructor() {
    super('unknown_config', 'unknown config')
  }
}
