import { createLatchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runScenario } from './fixtures/conformance/runConformance.ts'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'

const SCENARIOS = [
  ['http-header-validation', 14],
  ['http-custom-header-server-validation', 10],
] as const

/** No revision requires these scenarios yet; the fixture passes them, and so has the gateway. */
describe('headers that repeat the body', () => {
  let upstream: ConformanceServer
  let gateway: RunningGateway
  beforeAll(async () => {
    upstream = await startConformanceServer()
    gateway = await startGateway({
      connections: { everything: { mcpServerUrl: upstream.url, auth: { type: 'none' } } },
      configs: { plain: { everything: '*' }, prefixed: { toolNames: 'prefixed', everything: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })

  async function urlOf(config: string): Promise<string> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    return (await latchkey.ensureInstance('user_123')).url ?? ''
  }

  describe.each(['plain', 'prefixed'])('with %s tool names', (config) => {
    it.each(SCENARIOS)('T17: are validated as the upstream does: %s', { timeout: 30_000 }, async (scenario, count) => {
      const checks = await runScenario(await urlOf(config), scenario, '2026-07-28')
      expect(checks.filter((check) => !check.endsWith(': SUCCESS'))).toEqual([])
      expect(checks).toHaveLength(count)
    })
  })

  it.each(SCENARIOS)('are validated by the fixture itself: %s', { timeout: 30_000 }, async (scenario, count) => {
    const checks = await runScenario(upstream.url, scenario, '2026-07-28')
    expect(checks.filter((check) => check.endsWith(': SUCCESS'))).toHaveLength(count)
  })
})
