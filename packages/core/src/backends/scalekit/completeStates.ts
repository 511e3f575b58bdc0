import type { ConnectionState } from '../../readiness/connectionState.ts'
import { toConnectionState } from '../../wire/mapping.ts'
import type { WireConnectionToolMapping } from '../../wire/schemas.ts'

/**
 * Pure. The states, and besides them each connection that the config has and the answer leaves out: without links, the
 * service tells of accounts that exist, and an account that does not exist is not ACTIVE.
 */
export function completeStates(
  states: readonly ConnectionState[],
  mappings: readonly WireConnectionToolMapping[],
): readonly ConnectionState[] {
  const isTold = ({ connection_id: id, connection_name: name }: WireConnectionToolMapping) =>
    states.some((state) => state.connectionName === name || (id !== undefined && state.connectionId === id))
  const untold = mappings.filter((mapping) => !isTold(mapping))
  return [...states, ...untold.map((mapping) => toConnectionState(mapping))]
}
