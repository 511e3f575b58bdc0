import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
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
  return { url: `http://127.0.0.1:${await portOf(server)}/`, connected: connected.promise }
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
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

  it('offers no protocol but HTTP/1.1, in which no call is sent again', async () => {
    const hello = Promise.withResolvers<Buffer>()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (chunk) => {
        hello.resolve(chunk)
        socket.destroy()
      })
    })
    const client = createHttpClient()
    onTestFinished(() => client.close())
    await expect(client.fetch(`https://127.0.0.1:${await portOf(server)}/`)).rejects.toThrow('fetch failed')
    // The whole of the extension by which a client offers protocols (RFC 7301, section 3.1): one name, of eight bytes.
    const alpn = Buffer.concat([Buffer.of(0, 16, 0, 11, 0, 9, 8), Buffer.from('http/1.1')])
    expect((await hello.promise).includes(alpn)).toBe(true)
  })
})
