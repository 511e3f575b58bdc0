import { createLatchkey } from '@latchkey/core'
import { describe, expect, it } from 'vitest'
import { startGateway, startPostgres } from './fixtures/index.ts'

const CONNECTIONS = { docs: { mcpServerUrl: 'http://127.0.0.1:9/mcp', auth: { type: 'none' } } } as const

describe('several gateways on one Postgres', () => {
  it('T70: make one instance with one URL when 1,000 requests ensure it at once at three of them', async () => {
    await using stack = new AsyncDisposableStack()
    const postgres = stack.use(await startPostgres())
    const shared = await postgres.createGatewayOptions()
    const options = { ...shared, connections: CONNECTIONS, configs: { reader: { docs: '*' } } } as const
    const gateways = await Promise.all(Array.from({ length: 3 }, async () => stack.use(await startGateway(options))))
    const apps = gateways.map(({ url, clientId, clientSecret }) =>
      stack.use(createLatchkey({ url, clientId, clientSecret, config: 'reader' })),
    )
    const ensured = await Promise.all(
      Array.from({ length: 1_000 }, async (_, index) => await apps[index % 3]?.ensureInstance('alice')),
    )
    expect(new Set(ensured.map((instance) => instance?.id)).size).toBe(1)
    const urls = await Promise.all(apps.map(async (app) => new URL(await app.mcpUrl('alice')).pathname))
    expect(new Set(urls).size).toBe(1)
    expect(await postgres.query('select count(*)::int as count from instances', shared.database)).toEqual([
      { count: 1 },
    ])
  })
})
