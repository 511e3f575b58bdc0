import { createLatchkey } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { comparableChecks, runConformance, type Revision } from './fixtures/conformance/runConformance.ts'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { type PostgresServer, startPostgres } from './fixtures/postgres/startPostgres.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'

const REVISIONS: readonly Revision[] = ['2025-11-25', '2026-07-28']

describe.each(['sqlite', 'postgres'] as const)('the conformance suite on %s', (store) => {
  let upstream: ConformanceServer
  let postgres: PostgresServer | undefined
  let gateway: RunningGateway
  let url: string
  beforeAll(async () => {
    upstream = await startConformanceServer()
    postgres = store === 'postgres' ? await startPostgres() : undefined
    gateway = await startGateway({
      ...(await postgres?.createGatewayOptions()),
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
    await postgres?.[Symbol.asyncDispose]()
  })

  it.each(REVISIONS)(
    'gives the same result through the gateway as direct for %s',
    { timeout: 60_000 },
    async (revision) => {
      const direct = await runConformance(upstream.url, revision)
      const through = await runConformance(url, revision)
      expect([direct.failed, through.failed]).toEqual([0, 0])
      expect(direct.passed).toBeGreaterThan(60)
      expect(comparableChecks(through)).toEqual(comparableChecks(direct))
    },
  )
})
