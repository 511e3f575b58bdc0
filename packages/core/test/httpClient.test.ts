import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createHttpClient } from '../src/http/httpClient.ts'

const KEPT_ALIVE = 'HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok'

/** Keeps every connection open, and does not say for how long. `connected` is the first one. */
async function startPatient() {
  const connected = Promise.withResolvers<Socket>()
  const server = createServer((socket) => {
    connected.resolve(socket)
    socket.on('error', () => {})
    socket.on('data', () => socket.write(KEPT_ALIVE))
    onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { url: `http://127.0.0.1:${address.port}/`, connected: connected.promise }
}

describe('createHttpClient', () => {
  // Regression: it kept an idle socket for 30 s, and a call went out over one that its server was just ending.
  it(
    'ends an idle socket before most servers do when the server does not say for how long it keeps it',
    { timeout: 20_000 },
    async () => {
      const { url, connected } = await startPatient()
      const client = createHttpClient()
      onTestFinished(() => client.close())
      expect(await (await client.fetch(url)).text()).toBe('ok')
      await once(await connected, 'end')
      expect(await (await client.fetch(url)).text()).toBe('ok')
    },
  )
})
