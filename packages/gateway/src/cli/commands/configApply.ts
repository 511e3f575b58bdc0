import type { GatewayManagement } from '@latchkey/core'
import { loadConfigFile } from '../../config/loadConfigFile.ts'
import { CommandError } from '../commandError.ts'
import { type ConfigChange, configDiff } from '../configDiff.ts'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { EXIT } from '../exitCodes.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput, type Output, paint } from '../output.ts'
import { shown } from '../shown.ts'

export interface ConfigApplyOptions extends GatewayAccess {
  readonly dryRun?: boolean | undefined
}

const SIGNS = { create: '+', change: '~', same: '=' } as const
const COLOURS = { create: 'green', change: 'yellow', same: 'dim' } as const

/**
 * `latchkey config apply [file]`: makes the MCP configs of a running gateway as the file says. It deletes none: that
 * would end its users' URLs. Connections and the rest of the file take effect when the gateway is started again.
 */
export async function configApply(file: string, { dryRun = false, ...options }: ConfigApplyOptions): Promise<void> {
  const output = createOutput(options)
  await using gateway = connectGateway(options)
  const { configs } = await loadConfigFile(file)
  if (configs.length === 0) throw new CommandError(EXIT.failed, 'configuration', `${file} has no MCP configs.`)
  using stop = interrupted()
  const existing = await gateway.manage.listConfigs({ signal: stop.signal })
  const changes = configDiff(configs, existing)
  for (const change of changes) print(output, change)
  const others = existing.filter(({ name }) => !configs.some((config) => config.name === name)).map(({ name }) => name)
  if (others.length > 0)
    output.line(paint('dim', `left as they are, for the file does not name them: ${others.map(shown).join(', ')}`))
  if (!dryRun) for (const change of changes) await apply(gateway.manage, change, stop.signal)
  const done = changes.filter(({ kind }) => kind !== 'same').length
  output.line(
    dryRun
      ? `Nothing was changed (--dry-run); ${done} of ${changes.length} would be.`
      : `${done} of ${changes.length} changed.`,
  )
  output.json({
    applied: !dryRun,
    configs: changes.map(({ name, kind, differences }) => ({ name, change: kind, differences })),
    untouched: others,
  })
}

function print(output: Output, { name, kind, differences }: ConfigChange): void {
  output.line(paint(COLOURS[kind], `${SIGNS[kind]} ${name}`))
  for (const difference of differences) output.line(`    ${shown(difference)}`)
}

async function apply(
  manage: GatewayManagement,
  { name, kind, toolNames, mappings, existing }: ConfigChange,
  signal: AbortSignal,
): Promise<void> {
  if (kind === 'create') await manage.createConfig({ name, description: undefined, toolNames, mappings }, { signal })
  if (kind === 'change' && existing !== undefined) {
    await manage.replaceConfig(existing.id, { description: existing.description, toolNames, mappings }, { signal })
  }
}
