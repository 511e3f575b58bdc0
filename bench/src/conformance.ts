import { createLatchkey } from '@latchkey/core'
import { type Revision, runConformance, startConformanceServer } from '@latchkey/test/conformance'
import { startGateway } from '@latchkey/test/fixtures'
import type { Benchmark, Figures } from './benchmark.ts'

const REVISIONS: readonly Revision[] = ['2025-11-25', '2026-07-28']

/** What the published suite says of a server, asked directly and through the gateway. */
export const conformance: Benchmark = {
  name: 'conformance',
  title: 'checks of the conformance suite that pass: direct, and through a config of one connection',
  async run(say) {
    await using upstream = await startConformanceServer()
    await using gateway = await startGateway({
      connections: { everything: { mcpServerUrl: upstream.url, auth: { type: 'none' } } },
      configs: { everything: { everything: '*' } },
    })
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config: 'everything' })
    const endpoint = await latchkey.mcpUrl('user_123')
    const figures: Figures = {}
    for (const revision of REVISIONS) {
      const name = revision.replaceAll('-', '_')
      for (const [way, target] of Object.entries({ direct: upstream.url, gateway: endpoint })) {
        const { checks } = await runConformance(target, revision)
        const failures = checks.filter((check) => check.includes(': FAILURE'))
        for (const check of failures) say(`${way}: ${check}`)
        figures[`conformance.${name}.${way}`] = checks.filter((check) => check.includes(': SUCCESS')).length
        figures[`conformance.${name}.${way}_failed`] = failures.length
      }
    }
    return figures
  },
}
