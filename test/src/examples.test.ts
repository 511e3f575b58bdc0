import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ERAS, startAdapterServer, type AdapterServer } from './adapterServer.ts'

const LINK = 'https://consent.test/connect'
const PENDING = { connection_id: 'conn_mail', connection_name: 'mail', connected_account_status: 'PENDING_AUTH' }
const ACTIVE = { ...PENDING, connected_account_status: 'ACTIVE' }

/** A control plane whose user has consented as soon as somebody listens for it. */
function controlPlane(mcp: AdapterServer): Hono {
  const listening = new Set<string>()
  const instanceOf = (user: string) => ({
    id: user,
    user_identifier: user,
    config: { id: 'cfg_1', name: 'email-agent', mcp_server_url: mcp.urlFor(user) },
  })
  return new Hono()
    .post('/oauth/token', (c) => c.json({ access_token: 'access', expires_in: 3600, token_type: 'Bearer' }))
    .post('/api/v1/mcp/instances', async (c) => {
      const { user_identifier: user } = await c.req.json<{ user_identifier: string }>()
      const token = { token: mcp.tokenFor(user), expires_at: new Date(Date.now() + 3_600_000).toISOString() }
      return listening.has(user)
        ? c.json({ instance: instanceOf(user), auth_state: { connections: [ACTIVE] }, session_token: token })
        : c.json({ instance: instanceOf(user), auth_state: { connections: [PENDING] } })
    })
    .post('/api/v1/mcp/instances/:call', (c) => c.json({ connections: [{ ...PENDING, authentication_link: LINK }] }))
    .get('/api/v1/events', (c) => {
      listening.add(c.req.query('instance_id') ?? '')
      return c.body(new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode(': open\n\n')) }), {
        headers: { 'content-type': 'text/event-stream' },
      })
    })
}

describe.each(['langchain', 'vercel-ai'])('examples/src/%s.ts', (name) => {
  let mcp: AdapterServer
  let gateway: ReturnType<typeof serve>

  beforeAll(async () => {
    mcp = await startAdapterServer(ERAS[0])
    gateway = serve({ fetch: controlPlane(mcp).fetch, hostname: '127.0.0.1', port: 0 })
    await once(gateway, 'listening')
  })
  afterAll(async () => {
    if ('closeAllConnections' in gateway) gateway.closeAllConnections()
    gateway.close()
    await mcp.close()
  })

  it("prints the links, says which tools the user's agent has, and ends by itself", async () => {
    const address = gateway.address()
    if (address === null || typeof address === 'string') throw new Error('The control plane has no port.')
    const program = fileURLToPath(new URL(`../../examples/src/${name}.ts`, import.meta.url))
    const child = spawn(process.execPath, ['--conditions=@latchkey/source', '--no-warnings', program, 'ann'], {
      env: {
        LATCHKEY_URL: `http://127.0.0.1:${address.port}`,
        LATCHKEY_CLIENT_ID: 'app',
        LATCHKEY_CLIENT_SECRET: 'app-secret',
        LATCHKEY_CONFIG: 'email-agent',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    expect({ err, code }).toEqual({ err: '', code: 0 })
    expect(out).toContain(`Connect mail: ${LINK}\n`)
    expect(out).toMatch(/^I have echo, .*everything, /m)
    expect(out).not.toContain('app-secret')
  })
})
