import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runConformance, type Revision } from './fixtures/conformance/runConformance.ts'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'
import { createLatchkey } from '@latchkey/core'

const REVISIONS: readonly Revision[] = ['2025-11-25', '2026-07-28']

describe('the conformance suite', () => {
  let upstream: ConformanceServer
  let gateway: RunningGateway
  let url: string
  beforeAll(async () => {
    upstream = await startConformanceServer()
    gateway = await startGateway({
      connections: { everything: { mcpServerUrl: upstream.url, auth: { type: 'none' } } },
      configs: { everything: { everything: '*' } },
    })
    const { url: gatewayUrl, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url: gatewayUrl, clientId, clientSecret, config: 'everything' })
    url = (await latchkey.ensureInstance('user_123')).url ?? ''
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })

  it.each(REVISIONS)(
    'gives the same result through the gateway as direct for %s',
    { timeout: 60_000 },
    async (revision) => {
      const direct = await runConformance(upstream.url, revision)
      const through = await runConformance(url, revision)
      expect(direct.failed).toBe(0)
      expect(direct.passed).toBeGreaterThan(60)
      expect(through.checks).toEqual(direct.checks)
    },
  )
})
