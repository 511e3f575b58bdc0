import { accessTokenResponseSchema } from '@latchkey/core/wire'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { createGateway } from '../../src/gateway.ts'
import type { LogRecord } from '../../src/http/requestLog.ts'
import { answerStatus, startReceiver } from './receiver.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const HOST = { host: '127.0.0.1:8787' }
const PUBLIC_URL = 'http://127.0.0.1:8787'

describe('createGateway', () => {
  it('tells a webhook of the configuration and one of the API of a status change, and logs no secret', async () => {
    await using configured = await startReceiver()
    await using ofTheApi = await startReceiver(answerStatus(410))
    const lines: LogRecord[] = []
    await using gateway = await createGateway({
      publicUrl: PUBLIC_URL,
      database: 'sqlite::memory:',
      clients: [{ clientId: 'app', clientSecret: 'app-secret' }],
      connections: { mail: { mcpServerUrl: 'https://mail.example/mcp', auth: { type: 'api_key', header: 'X-Key' } } },
      configs: { agent: { mail: '*' } },
      webhooks: [{ url: configured.url, secret: SECRET }],
      log: (line) => lines.push(line),
    })
    const form = { grant_type: 'client_credentials', client_id: 'app', client_secret: 'app-secret' }
    const grant = new Request(`${PUBLIC_URL}/oauth/token`, {
      method: 'POST',
      headers: HOST,
      body: new URLSearchParams(form),
    })
    const { access_token: token } = accessTokenResponseSchema.parse(await (await gateway.fetch(grant)).json())
    const post = async (path: string, body: object) => {
      const headers = { ...HOST, authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const request = new Request(`${PUBLIC_URL}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      return await (await gateway.fetch(request)).text()
    }
    const created = await post('/api/v1/webhooks', { url: ofTheApi.url })
    await post('/api/v1/mcp/instances', { config_name: 'agent', user_identifier: 'u', include_auth_state: true })
    await post('/api/v1/connected_accounts:delete', { connector: 'mail', identifier: 'u' })
    await Promise.all([configured.count(1), ofTheApi.count(1)])

    const { body, headers } = configured.received[0] ?? { body: '' }
    const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
    const signed = Object.fromEntries(names.map((name) => [name, String(headers?.[name])]))
    expect(new Webhook(SECRET).verify(body, signed)).toMatchObject({
      spec_version: '1',
      type: 'connected_account.status_updated',
      environment_id: '127.0.0.1:8787',
      object: 'connected_account',
      sequence: 1,
      data: { identifier: 'u', connection_name: 'mail', status: 'DISCONNECTED', old_status: 'PENDING_AUTH' },
    })
    await expect.poll(() => lines.find(({ reason }) => reason === 'gone'), { timeout: 10_000 }).toBeDefined()
    const [, secret = ''] = /"secret":"whsec_([^"]+)"/.exec(created) ?? []
    expect(secret).not.toBe('')
    for (const canary of [secret, SECRET.slice(6), 'canary-query']) expect(JSON.stringify(lines)).not.toContain(canary)
  })
})
