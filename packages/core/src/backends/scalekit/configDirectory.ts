import * as z from 'zod'
import { LatchkeyError } from '../../errors.ts'
import { createMinuteCache } from '../../timing/minuteCache.ts'
import type { Timing } from '../../timing/timing.ts'
import { configSchema, type WireConfig } from '../../wire/schemas.ts'
import { findConfigs, unknownConfig } from '../configs.ts'
import type { ControlPlane } from '../controlPlane.ts'

/** The configs of an environment. */
export interface ConfigDirectory {
  /** @throws {LatchkeyError} `unknown_config`, naming those that there are. */
  byName(name: string, signal?: AbortSignal): Promise<WireConfig>
  byId(id: string, signal?: AbortSignal): Promise<WireConfig>
  /** One was not there any more. */
  forget(): void
}

const configAnswerSchema = z.object({ config: configSchema })

export function createConfigDirectory(controlPlane: ControlPlane, timing: Timing): ConfigDirectory {
  const kept = createMinuteCache<WireConfig>(timing)
  return {
    byName: (name, signal) =>
      kept.get(named(name), signal, async (shared) => {
        const config = await findByName(controlPlane, name, shared)
        kept.keep(withId(config.id), config)
        return config
      }),
    byId: (id, signal) => kept.get(withId(id), signal, (shared) => readById(controlPlane, id, shared)),
    forget: () => kept.clear(),
  }
}

const named = (name: string) => `the MCP config named ${JSON.stringify(name)}`
const withId = (id: string) => `the MCP config with the id ${JSON.stringify(id)}`

async function findByName(controlPlane: ControlPlane, name: string, signal: AbortSignal): Promise<WireConfig> {
  // What is answered may only begin so, and in another case.
  const configs = await findConfigs(controlPlane, { 'filter.name': name }, signal)
  const found = configs.find((config) => config.name === name)
  if (found) return found
  throw await unknownConfig(controlPlane, name, signal)
}

async function readById(controlPlane: ControlPlane, id: string, signal: AbortSignal): Promise<WireConfig> {
  const { config } = await controlPlane.request({
    method: 'GET',
    path: `/api/v1/mcp/configs/${encodeURIComponent(id)}`,
    schema: configAnswerSchema,
    doing: `reading the MCP config ${id}`,
    idempotent: true,
    signal,
  })
  if (config.id === id) return config
  throw new LatchkeyError('invalid_response', `reading the MCP config ${id} failed: it was answered with another one`)
}
