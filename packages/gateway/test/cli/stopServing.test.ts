import { serve } from '@hono/node-server'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { stopServing } from '../../src/cli/stopServing.ts'

describe('stopServing', () => {
  it('cuts off a client that stopped in the middle of its request when the grace is over', async () => {
    const begun = Promise.withResolvers<void>()
    let reading: Promise<unknown> = Promise.resolve()
    const server = serve({
      port: 0,
      hostname: '127.0.0.1',
      overrideGlobalObjects: false,
      fetch: async (request: Request) => {
        reading = request.text().catch((error: unknown) => error)
        begun.resolve()
        await reading
        return new Response('read')
      },
    })
    if (!server.listening) await once(server, 'listening')
    const address = server.address()
    const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
    client.on('error', () => {}).resume()
    client.write('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf')
    await begun.promise
    const gone = once(client, 'close')
    // As the gateway does: it is closed when everything that has begun is answered.
    await stopServing(server, { close: async () => void (await reading) }, { graceMs: 20 })
    expect(await reading).toBeInstanceOf(Error)
    expect(server.listening).toBe(false)
    await gone
  })
})
