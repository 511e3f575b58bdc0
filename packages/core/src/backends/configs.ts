import { LatchkeyError } from '../errors.ts'
import { configListSchema, type WireConfig } from '../wire/schemas.ts'
import type { ControlPlane } from './controlPlane.ts'

/** No more than this many are answered at once. */
const PAGE_SIZE = 30

/** The configs of one page. @param filter such as `filter.name`. */
export async function findConfigs(
  controlPlane: ControlPlane,
  filter: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<readonly WireConfig[]> {
  const query = new URLSearchParams({ page_size: String(PAGE_SIZE), ...filter })
  const { configs } = await controlPlane.request({
    method: 'GET',
    path: `/api/v1/mcp/configs?${query.toString()}`,
    schema: configListSchema,
    doing: 'listing the MCP configs',
    idempotent: true,
    signal,
  })
  return configs
}

/** One more request, on the way to an error only, so that the message helps with whatever backend. */
export async function unknownConfig(
  controlPlane: ControlPlane,
  configName: string,
  signal: AbortSignal | undefined,
): Promise<LatchkeyError> {
  const configs = await findConfigs(controlPlane, {}, signal).catch(() => undefined)
  const names = configs?.map(({ name }) => name).join(', ') || 'there are none yet'
  const known = configs ? `; known: ${names}` : ''
  return new LatchkeyError('unknown_config', `no MCP config is named ${JSON.stringify(configName)}${known}`)
}
