/**
 * The whole idea on real parts: a gateway, an authorization server, three MCP servers, two users, two frameworks.
 * `npm run demo`, or with `-- --open` to click through the consent yourself, or `-- --show-secrets`.
 */
import { parseArgs } from 'node:util'
import { failure, headline } from '../world/print.ts'
import { createSecrets } from './secrets.ts'
import { askForTools } from './steps/askForTools.ts'
import { consent } from './steps/consent.ts'
import { plainMcp } from './steps/plainMcp.ts'
import { runAgents } from './steps/runAgents.ts'
import { showConfig } from './steps/showConfig.ts'
import { showParts } from './steps/showParts.ts'
import { showThatNothingLeaked } from './steps/showThatNothingLeaked.ts'
import { tryTheForbidden } from './steps/tryTheForbidden.ts'
import { startWorld } from './world.ts'

const { values } = parseArgs({
  options: { open: { type: 'boolean', default: false }, 'show-secrets': { type: 'boolean', default: false } },
})
const secrets = createSecrets(values['show-secrets'])

try {
  const startedAt = performance.now()
  headline('Latchkey', 'the tools of one user, and nobody else’s')
  await using world = await startWorld()
  showParts(world)
  showConfig()
  const pending = await askForTools(world, secrets, values.open ? 15 * 60_000 : 20_000)
  const tools = await consent(world, pending, secrets, values.open)
  await runAgents(world, tools)
  await tryTheForbidden(world, secrets)
  await plainMcp(world, secrets)
  showThatNothingLeaked(world, secrets, values.open)
  console.log(`\n   Done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.\n`)
} catch (error) {
  failure(error)
  process.exitCode = 1
}
