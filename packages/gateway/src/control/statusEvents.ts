import { STATUS_EVENT_TYPE, type WireStatusEvent } from '@latchkey/core/wire'
import type { AccountEvent } from '../domain.ts'
import type { Configs, Registry } from '../services.ts'

export interface StatusEventsOptions {
  readonly registry: Pick<Registry, 'connection'>
  readonly configs: Pick<Configs, 'mcpServerUrl'>
}

/** An event as the wire has it; undefined if the configuration does not name its connection any more. */
export type StatusEvents = (event: AccountEvent) => WireStatusEvent | undefined

/** The one shape of a status change: the body of a webhook and the data of an event in the stream. */
export function createStatusEvents({ registry, configs }: StatusEventsOptions): StatusEvents {
  const environmentId = new URL(configs.mcpServerUrl({ id: '' })).host
  return (event) => {
    const connection = registry.connection(event.connectionId)
    if (connection === undefined) return undefined
    return {
      spec_version: '1',
      id: event.id,
      type: STATUS_EVENT_TYPE,
      occurred_at: event.occurredAt.toISOString(),
      environment_id: environmentId,
      sequence: event.sequence,
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
  }
}
