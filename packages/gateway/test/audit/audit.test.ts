import { auditLogSchema } from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openGateway, type OpenGateway } from '../operations/openGateway.ts'

const FAILING = `create trigger audit_fails before insert on audit_log begin select raise(abort, 'disk full'); end`
const WORKING = 'drop trigger audit_fails'

const instanceSchema = z.looseObject({ instance: z.looseObject({ id: z.string(), url: z.string() }) })

let open: OpenGateway
let asApp: Awaited<ReturnType<OpenGateway['asApp']>>
beforeEach(async () => {
  open = await openGateway()
  asApp = await open.asApp()
})
afterEach(async () => await open.close())

const entries = async (query = '') =>
  auditLogSchema.parse(await (await asApp('GET', `/api/v1/audit_log?page_size=30${query}`)).json()).entries
const ensure = async (config: string, user = 'anna') =>
  await asApp('POST', '/api/v1/mcp/instances', { config_name: config, user_identifier: user })

const linkOnce = async () =>
  await asApp(
    'POST',
    '/api/v1/connected_accounts/magic_link',
    { connector: 'search', identifier: 'anna' },
    { 'idempotency-key': 'one' },
  )

describe('the audit log', () => {
  /** Every way in which a secret leaves, as a request. */
  const mints: Record<string, (() => Promise<Response>) | undefined> = {
    'access_token.issued': async () => await open.token(),
    'instance_url.issued': async () => await ensure('reader'),
    'session_token.issued': async () => {
      const { configs } = z
        .object({ configs: z.array(z.object({ id: z.string(), name: z.string() })) })
        .parse(await (await asApp('GET', '/api/v1/mcp/configs')).json())
      const id = configs.find(({ name }) => name === 'reader')?.id
      return await asApp('POST', `/api/v1/mcp/configs/${id}/tokens`, { identifier: 'anna' })
    },
    'authentication_link.issued': async () =>
      await asApp('POST', '/api/v1/connected_accounts/magic_link', { connector: 'search', identifier: 'anna' }),
    'webhook_secret.issued': async () =>
      await asApp('POST', '/api/v1/webhooks', { url: 'https://hooks.example/latchkey' }),
  }

  it.each(Object.keys(mints))('T71: holds %s before the secret leaves, and refuses where it cannot', async (action) => {
    const mint = mints[action]
    open.sql(FAILING)
    const refused = await mint?.()
    const text = await refused?.text()
    expect([refused?.status, text]).toEqual([503, expect.stringContaining('"error_code":"unavailable"')])
    expect(text).not.toMatch(/lkurl_|lklink_|eyJ|whsec_/)
    open.sql(WORKING)
    const given = await mint?.()
    expect(given?.ok).toBe(true)
    const [row] = open.sql(`select * from audit_log where action = '${action}' order by sequence desc`)
    expect(row).toMatchObject({ outcome: 'ok', actor: 'app', address: '192.0.2.1' })
  })

  it('T71: holds every URL of a list, of a get and of a rotation', async () => {
    const { instance } = instanceSchema.parse(await (await ensure('reader')).json())
    await asApp('GET', `/api/v1/mcp/instances/${instance.id}`)
    await asApp('GET', '/api/v1/mcp/instances')
    await asApp('POST', `/api/v1/mcp/instances/${instance.id}:rotate_url`, {})
    const issued = (await entries()).filter(({ action }) => action === 'instance_url.issued')
    expect(issued.map(({ details }) => details?.['urlVersion'])).toEqual([2, 1, 1, 1])
    expect(issued.every((entry) => entry.instance_id === instance.id && entry.user_identifier === 'anna')).toBe(true)
  })

  it('T71: gives the first answer to a repeated request only once that is in the log too', async () => {
    const first = await (await linkOnce()).text()
    open.sql(FAILING)
    expect((await linkOnce()).status).toBe(503)
    open.sql(WORKING)
    expect(await (await linkOnce()).text()).toBe(first)
    expect((await entries('&action=api.createMagicLink')).map(({ details }) => details?.['replayed'])).toEqual([
      true,
      undefined,
    ])
  })

  it('T71: says anew what was given out when an answer is given again', async () => {
    await linkOnce()
    await linkOnce()
    const issued = await entries('&action=authentication_link.issued')
    expect(issued.map(({ user_identifier: user, details }) => [user, details?.['replayed']])).toEqual([
      ['anna', true],
      ['anna', undefined],
    ])
  })

  it('names who changed what, by which request', async () => {
    const created = await asApp('POST', '/api/v1/mcp/configs', {
      name: 'new',
      connection_tool_mappings: [{ connection_name: 'docs' }],
    })
    const { config } = z.object({ config: z.object({ id: z.string() }) }).parse(await created.json())
    await asApp('DELETE', `/api/v1/mcp/configs/${config.id}`)
    const [deleted, changed, made] = await entries()
    expect(deleted).toMatchObject({
      actor: 'app',
      action: 'api.deleteConfig',
      details: { status: 200, target: config.id },
    })
    expect(changed).toMatchObject({ actor: 'app', action: 'config.changed', config_id: config.id })
    expect(made).toMatchObject({ actor: 'app', action: 'api.createConfig', outcome: 'ok' })
    const line = open.log.find(
      (record) => record['requestId'] === deleted?.request_id && record['message'] === 'request',
    )
    expect(line).toMatchObject({ method: 'DELETE', status: 200 })
  })

  it('holds a change that was refused, and why', async () => {
    await asApp('POST', '/api/v1/mcp/configs', {
      name: 'reader',
      connection_tool_mappings: [{ connection_name: 'docs' }],
    })
    expect((await entries())[0]).toMatchObject({
      action: 'api.createConfig',
      outcome: 'refused',
      details: { status: 409, error: 'conflict' },
    })
  })

  it('holds a change of status in the transaction that makes it', async () => {
    await ensure('finder')
    const link = await asApp('POST', '/api/v1/connected_accounts/magic_link', {
      connector: 'search',
      identifier: 'anna',
    })
    const [account] = (await entries('&action=authentication_link.issued')).map((entry) => entry.connected_account_id)
    expect(link.status).toBe(200)
    await asApp('POST', '/api/v1/connected_accounts:delete', { id: account })
    expect((await entries('&action=account.status_changed'))[0]).toMatchObject({
      actor: 'app',
      user_identifier: 'anna',
      connected_account_id: account,
      details: { status: 'DISCONNECTED', oldStatus: 'PENDING_AUTH' },
    })
  })

  it('is paged, and filtered by user, action and time', async () => {
    for (const user of ['a', 'b', 'c']) await ensure('reader', user)
    const first = auditLogSchema.parse(await (await asApp('GET', '/api/v1/audit_log?page_size=2')).json())
    const second = auditLogSchema.parse(
      await (await asApp('GET', `/api/v1/audit_log?page_size=2&page_token=${first.next_page_token}`)).json(),
    )
    expect([...first.entries, ...second.entries].map((entry) => entry.user_identifier)).toEqual([
      'c',
      'b',
      'a',
      undefined,
    ])
    expect(await entries('&user_identifier=b')).toHaveLength(1)
    expect(await entries('&since=2999-01-01T00:00:00Z')).toEqual([])
    expect((await asApp('GET', '/api/v1/audit_log?since=yesterday')).status).toBe(400)
  })

  it('goes to the log sink too, one record for each entry, without a secret', async () => {
    const { instance } = instanceSchema.parse(await (await ensure('reader')).json())
    const told = open.log.filter(({ message }) => message === 'audit')
    expect(told.map(({ action }) => action)).toEqual(['access_token.issued', 'instance_url.issued'])
    expect(JSON.stringify(open.log)).not.toContain(instance.url.split('/').at(-1))
  })

  it('counts refusals of one caller instead of writing each', async () => {
    for (let index = 0; index < 50; index += 1) {
      await open.call(`/mcp/lkurl_wrong${index}`, { method: 'POST', body: {}, from: '198.51.100.7' })
    }
    const denied = async () => open.sql(`select address, details from audit_log where action = 'request.denied'`)
    expect(await denied()).toHaveLength(1)
    await open.gateway.close()
    expect((await denied()).map(({ details }) => JSON.parse(String(details)))).toEqual([
      { route: '/mcp/:endpoint', reason: 'unknown', count: 1 },
      { route: '/mcp/:endpoint', reason: 'unknown', count: 49 },
    ])
  })

  it('T1: holds that a token came in the query', async () => {
    const answer = await open.call('/mcp/cfg_1?token=lkurl_canary', { method: 'POST', body: {} })
    expect(answer.status).toBe(400)
    const [row] = open.sql(`select details from audit_log where action = 'request.denied'`)
    expect(JSON.parse(String(row?.['details']))).toMatchObject({ reason: 'token_in_query' })
    expect(JSON.stringify(open.sql('select * from audit_log'))).not.toContain('canary')
  })
})
