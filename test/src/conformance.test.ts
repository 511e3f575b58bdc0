import { createLatchkey } from '@latchkey/core'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runConformance, type ConformanceResult, type Revision } from './fixtures/conformance/runConformance.ts'
import { startConformanceServer, type ConformanceServer } from './fixtures/conformance/startConformanceServer.ts'
import { type PostgresServer, startPostgres } from './fixtures/postgres/startPostgres.ts'
import { startGateway, type RunningGateway } from './fixtures/startGateway.ts'

const REVISIONS: readonly Revision[] = ['2025-11-25', '2026-07-28']

/** The same server as a program, which speaks on its standard input and output. */
const PROGRAM = {
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    fileURLToPath(new URL('fixtures/conformance/everythingProgram.ts', import.meta.url)),
  ],
}

describe.each(['sqlite', 'postgres'] as const)('the conformance suite on %s', (store) => {
  let upstream: ConformanceServer
  let postgres: PostgresServer | undefined
  let gateway: RunningGateway
  const direct = new Map<Revision, Promise<ConformanceResult>>()
  beforeAll(async () => {
    upstream = await startConformanceServer()
    postgres = store === 'postgres' ? await startPostgres() : undefined
    gateway = await startGateway({
      ...(await postgres?.createGatewayOptions()),
      connections: {
        everything: { mcpServerUrl: upstream.url, auth: { type: 'none' } },
        program: { ...PROGRAM, auth: { type: 'none' } },
      },
      configs: { everything: { everything: '*' }, program: { program: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
    await postgres?.[Symbol.asyncDispose]()
  })

  async function runDirect(revision: Revision): Promise<ConformanceResult> {
    const known = direct.get(revision) ?? runConformance(upstream.url, revision)
    direct.set(revision, known)
    return await known
  }

  async function runThrough(config: string, revision: Revision): Promise<ConformanceResult> {
    const { url, clientId, clientSecret } = gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config })
    return await runConformance(await latchkey.mcpUrl('user_123'), revision)
  }

  // Before a program everything but the upstream is the same, so one store does.
  const configs = store === 'sqlite' ? ['everything', 'program'] : ['everything']
  it.each(REVISIONS.flatMap((revision) => configs.map((config) => [config, revision] as const)))(
    'gives the same result through the gateway (%s) as direct for %s',
    { timeout: 60_000 },
    async (config, revision) => {
      const through = await runThrough(config, revision)
      const expected = await runDirect(revision)
      expect([expected.failed, through.failed]).toEqual([0, 0])
      expect(expected.passed).toBeGreaterThan(60)
      expect(through.checks).toEqual(expected.checks)
    },
  )
})
