import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createGuardedFetch, type GuardedFetchOptions } from '../../src/http/guardedFetch.ts'
import { GatewayError } from '../../src/errors.ts'
import { listen } from './listen.ts'

const CANARY = 'canary-9f2c'
const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()))
})

function guardedFetch(options: GuardedFetchOptions = { allowLoopback: true }) {
  const fetch = createGuardedFetch(options)
  cleanups.push(() => fetch.close())
  return fetch
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

async function serve(listener: Listener): Promise<{ url: string; port: number; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  const port = await listen(server)
  cleanups.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${port}`, port, requests }
}

async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof GatewayError) return error
  throw new Error('expected a GatewayError', { cause: error })
}

function rawAnswer(body: string): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const INSIDE = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0177.0.0.1/',
  'https://0/',
  'https://10.0.0.1/',
  'https://172.16.0.1/',
  'https://192.168.1.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://100.64.0.1/',
  'https://198.18.0.1/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://[::1]/',
  'https://[::]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001::1]/',
  'https://[fc00::1]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://①②⑦.0.0.1/',
]

const REFUSED_AS_WRITTEN = [
  'http://example.com/',
  'http://10.0.0.1/',
  'http://example.localhost.example.com/',
  'https://user:password@example.com/',
  'https://user@example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/plain,x',
  'not a url',
]

describe('createGuardedFetch', () => {
  describe.each([{ allowLoopback: false }, { allowLoopback: true }])('with %o', (options) => {
    const outside = options.allowLoopback
      ? INSIDE.filter((url) => !/127|2130706433|0x7f000001|0177|::1\]|①/.test(url) || /64:ff9b|::127/.test(url))
      : INSIDE

    it.each([...outside, ...REFUSED_AS_WRITTEN])('T40: refuses %s before it connects', async (url) => {
      const fetch = guardedFetch({ ...options, resolveAll: () => expect.unreachable('nothing is to be resolved') })
      expect((await failureOf(fetch(url))).code).toBe('upstream_invalid')
    })

    it.each([
      ['one private address', ['10.1.2.3']],
      ['a private address beside a public one', ['93.184.215.14', '10.1.2.3']],
      ['loopback', ['127.0.0.1']],
      ['loopback of IPv6', ['::1']],
      ['a mapped address', ['::ffff:169.254.169.254']],
      ['nothing', []],
    ])('T40: refuses a name that resolves to %s', async (_case, addresses) => {
      const fetch = guardedFetch({
        ...options,
        resolveAll: (_name, callback) =>
          callback(
            null,
            addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
          ),
      })
      const failure = await failureOf(fetch('https://rebinding.example/secret-path?code=1'))
      expect(failure.code).toBe('upstream_invalid')
      expect(failure.message).not.toContain('secret-path')
    })
  })

  it('T40: refuses loopback over http when loopback is not allowed', async () => {
    const { url, requests } = await serve((_request, response) => response.end(CANARY))
    expect((await failureOf(guardedFetch({})(url))).message).not.toContain(CANARY)
    expect(requests).toHaveLength(0)
  })

  it('T40: asks the resolver anew for each connection when a name is rebound', async () => {
    const { port, requests } = await serve((_request, response) => response.end(CANARY))
    const answers = ['127.0.0.1', '10.0.0.1']
    const fetch = guardedFetch({
      allowLoopback: true,
      resolveAll: (_name, callback) => callback(null, [{ address: answers.shift() ?? '', family: 4 }]),
    })
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe(CANARY)
    expect((await failureOf(fetch(`http://localhost:${port}/`))).code).toBe('upstream_invalid')
    expect(requests).toHaveLength(1)
  })

  it('sends method, headers and body, and gives status, headers and body', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(418, { 'content-type': 'application/json', 'x-two': ['a', 'b'] })
      const { method, headers } = request
      void text(request).then((body) => response.end(JSON.stringify({ method, type: headers['content-type'], body })))
    })
    const response = await guardedFetch()(`${url}/token`, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })
    expect(response.status).toBe(418)
    expect(response.headers.get('x-two')).toBe('a, b')
    expect(await response.json()).toEqual({
      method: 'POST',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'a=b+c',
    })
  })

  it.each([301, 302, 303, 304, 307, 308])('T42: follows no redirect when the answer is %i', async (status) => {
    const target = await serve((_request, response) => response.end(CANARY))
    const { url } = await serve((_request, response) =>
      response.writeHead(status, { location: `${target.url}/?${CANARY}` }).end(),
    )
    const failure = await failureOf(guardedFetch()(`${url}/mcp/lkurl_secret`, { method: 'POST', body: 'secret body' }))
    expect(failure.code).toBe('upstream_invalid')
    expect(failure.message).not.toMatch(/canary|lkurl/)
    expect(target.requests).toHaveLength(0)
  })

  const MIB = 1024 * 1024
  const bombs: [string, (response: ServerResponse) => void][] = [
    ['plain', (response) => response.end(Buffer.alloc(64 * MIB))],
    [
      'gzip',
      (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(64 * MIB))),
    ],
    [
      'br',
      (response) =>
        response.writeHead(200, { 'content-encoding': 'br' }).end(brotliCompressSync(Buffer.alloc(64 * MIB))),
    ],
    [
      'deflate',
      (response) => response.writeHead(200, { 'content-encoding': 'deflate' }).end(deflateSync(Buffer.alloc(64 * MIB))),
    ],
  ]

  it.each(bombs)('T44: stops a %s answer at the cap on its decoded bytes', async (_kind, listener) => {
    const { url } = await serve((_request, response) => listener(response))
    const response = await guardedFetch()(url, { maxBytes: MIB })
    let received = 0
    const failure = await failureOf(
      (async () => {
        for await (const chunk of response.body ?? []) received += chunk.byteLength
      })(),
    )
    expect(failure.message).toContain('more than')
    expect(received).toBeLessThanOrEqual(MIB)
  })

  it('T44: decodes no second layer of compression', async () => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(gzipSync(Buffer.alloc(64 * MIB)))),
    )
    const body = await (await guardedFetch()(url, { maxBytes: MIB })).arrayBuffer()
    expect(body.byteLength).toBeLessThan(MIB)
  })

  it.each([
    ['many headers', 100_000, 'x-a: b\r\n'],
    ['one header without end', 1, `x-a: ${'b'.repeat(MIB)}\r\n`],
  ])('T44: reads no further when an answer has %s', async (_what, times, header) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${header.repeat(times)}`))
    })
    const port = await listen(server)
    cleanups.push(async () => void server.close())
    expect((await failureOf(guardedFetch()(`http://127.0.0.1:${port}/`))).code).toBe('upstream_unavailable')
  })

  it('T45: gives up when the body comes byte by byte for longer than the caller waits, and keeps no socket', async () => {
    const closed = Promise.withResolvers<void>()
    const { url } = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'), 5)
      response.on('close', () => {
        clearInterval(timer)
        closed.resolve()
      })
    })
    const signal = AbortSignal.timeout(100)
    const response = await guardedFetch()(url, { signal, partition: 'a' })
    await expect(response.text()).rejects.toMatchObject({ name: 'TimeoutError' })
    await closed.promise
  })

  it('T45: keeps no socket to a server that accepts and says nothing', async () => {
    const closed = Promise.withResolvers<void>()
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.on('close', () => closed.resolve())
      socket.resume()
    })
    const port = await listen(server)
    cleanups.push(async () => void server.close())
    const failure = await failureOf(
      guardedFetch()(`http://127.0.0.1:${port}/`, { headersTimeoutMs: 50, partition: 'a' }),
    )
    expect(failure.code).toBe('upstream_unavailable')
    await closed.promise
  })

  it('decodes an answer that is compressed without being asked', async () => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}')),
    )
    const response = await guardedFetch()(url)
    expect(await response.json()).toEqual({ a: 1 })
    expect(response.headers.has('content-encoding')).toBe(false)
  })

  it.each(['gzip', 'br', 'deflate'])(
    'T41: says so, and nothing of the body, when it does not decode as %s',
    async (encoding) => {
      const { url } = await serve((_request, response) =>
        response.writeHead(200, { 'content-encoding': encoding }).end(`${CANARY} is no such thing`),
      )
      const failure = await failureOf((await guardedFetch()(url)).text())
      expect(failure.code).toBe('upstream_invalid')
      expect(failure.message).not.toContain(CANARY)
    },
  )

  it.each(['gzip, gzip', 'zstd', 'compress'])('T44: refuses the encoding %s', async (encoding) => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end('x'),
    )
    expect((await failureOf(guardedFetch()(url))).code).toBe('upstream_invalid')
  })

  it('T45: gives up when no headers come', async () => {
    const { url } = await serve(() => {})
    const failure = await failureOf(guardedFetch()(url, { headersTimeoutMs: 50 }))
    expect(failure).toMatchObject({ code: 'upstream_unavailable', message: expect.stringContaining('in time') })
  })

  it.each([undefined, 'account'])(
    'T45: gives up on all requests at once when a server accepts them and never finishes TLS, in partition %s',
    async (partition) => {
      const accepted: Socket[] = []
      const server = createTcpServer((socket) => void accepted.push(socket.on('error', () => undefined)))
      const port = await listen(server)
      cleanups.push(async () => server.close())
      const fetch = guardedFetch({ allowLoopback: true, connectTimeoutMs: 500 })
      const init = partition === undefined ? {} : { partition }
      const failures: number[] = []
      const before = Promise.all(
        Array.from({ length: 4 }, async () => {
          const { code } = await failureOf(fetch(`https://127.0.0.1:${port}/`, init))
          failures.push(accepted.length)
          return code
        }),
      )
      expect(new Set(await before)).toEqual(new Set(['upstream_unavailable']))
      // Nobody's connection waited for another's to fail.
      expect(failures[0]).toBe(4)
      for (const socket of accepted) socket.destroy()
    },
  )

  it('T45: gives up when a server reads a long body bit by bit for longer than it may take to answer', async () => {
    const read = { bytes: 0 }
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      // All of it takes longer, and no piece of it does.
      const reading = setInterval(() => (read.bytes += socket.read()?.length ?? 0), 5)
      socket.on('close', () => clearInterval(reading))
    })
    const port = await listen(server)
    cleanups.push(async () => server.close())
    const body = 'x'.repeat(40 * MIB)
    const sent = guardedFetch()(`http://127.0.0.1:${port}/`, { method: 'POST', body, headersTimeoutMs: 1_500 })
    expect(await failureOf(sent)).toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringContaining('did not answer in time'),
    })
    expect(read.bytes).toBeLessThan(body.length)
  })

  it('T45: gives up when the body falls silent', async () => {
    const { url } = await serve((_request, response) => response.write('{'))
    const response = await guardedFetch()(url, { bodyIdleTimeoutMs: 50 })
    expect((await failureOf(response.text())).code).toBe('upstream_unavailable')
  })

  it('says that a server is not reachable, and nothing of the URL', async () => {
    const { url, port } = await serve(() => {})
    await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()))
    const failure = await failureOf(guardedFetch()(`${url}/secret?code=1`))
    expect(failure.code).toBe('upstream_unavailable')
    expect(failure.message).toBe(`127.0.0.1:${port} could not be reached.`)
  })

  it('fails with the reason of the abort before, during and after the headers', async () => {
    const { url, requests } = await serve((request, response) => {
      if (request.url === '/streams') response.write('first')
    })
    const fetch = guardedFetch()
    const reason = new Error('the caller left')
    await expect(fetch(url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(requests).toHaveLength(0)

    const waiting = new AbortController()
    const pending = fetch(`${url}/waits`, { signal: waiting.signal })
    await expect.poll(() => requests.length).toBe(1)
    waiting.abort(reason)
    await expect(pending).rejects.toBe(reason)

    const streaming = new AbortController()
    const response = await fetch(`${url}/streams`, { signal: streaming.signal })
    const reader = response.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('first')
    streaming.abort(reason)
    await expect(reader?.read()).rejects.toBe(reason)
  })

  it('ends the request when the reader leaves', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const { url } = await serve((_request, response) => {
      response.on('close', () => resolve('closed'))
      response.write('first')
    })
    const response = await guardedFetch()(url)
    await response.body?.cancel()
    expect(await promise).toBe('closed')
  })

  it('gives a long answer whole to a slow reader', async () => {
    const whole = Buffer.alloc(3 * MIB, 'latchkey')
    const { url } = await serve((_request, response) => response.end(whole))
    const response = await guardedFetch()(url, { maxBytes: 4 * MIB })
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk)
      await new Promise(setImmediate)
    }
    expect(Buffer.concat(chunks).equals(whole)).toBe(true)
  })

  it('T51: keeps a socket within a partition and shares none between two', async () => {
    const { url, requests } = await serve((_request, response) => response.end('ok'))
    const fetch = guardedFetch()
    const socketsOf = async (partition: string | undefined, calls: number) => {
      const from = requests.length
      for (let call = 0; call < calls; call++)
        await (await fetch(url, partition === undefined ? {} : { partition })).text()
      return new Set(requests.slice(from).map(({ socket }) => socket))
    }
    const a = await socketsOf('a', 10)
    const b = await socketsOf('b', 10)
    expect(a.size).toBeLessThan(10)
    expect(b.size).toBeLessThan(10)
    expect([...a].filter((socket) => b.has(socket))).toEqual([])
    expect((await socketsOf(undefined, 5)).size).toBe(5)
  })

  it('T51: hands a response that comes out of turn to nobody', async () => {
    const sockets = new Set<Socket>()
    const server = createTcpServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', () => socket.write(rawAnswer('mine') + rawAnswer(CANARY)))
    })
    const port = await listen(server)
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const fetch = guardedFetch()
    const url = `http://127.0.0.1:${port}/`
    for (let call = 0; call < 20; call++) {
      expect(await (await fetch(url, { partition: call % 2 ? 'a' : 'b' })).text()).toBe('mine')
    }
  })

  it.each([undefined, 'account'])(
    'T51 T52: offers no protocol but HTTP/1.1, in which nothing is sent again or shares a socket, in partition %s',
    async (partition) => {
      const hello = Promise.withResolvers<Buffer>()
      const server = createTcpServer((socket) => {
        socket.on('error', () => undefined)
        socket.once('data', (chunk) => {
          hello.resolve(chunk)
          socket.destroy()
        })
      })
      const port = await listen(server)
      cleanups.push(async () => server.close())
      const init = partition === undefined ? {} : { partition }
      expect((await failureOf(guardedFetch()(`https://127.0.0.1:${port}/`, init))).code).toBe('upstream_unavailable')
      // The whole of the extension by which a client offers protocols (RFC 7301, section 3.1): one name, of eight bytes.
      const alpn = Buffer.concat([Buffer.of(0, 16, 0, 11, 0, 9, 8), Buffer.from('http/1.1')])
      expect((await hello.promise).includes(alpn)).toBe(true)
    },
  )

  it('T40: uses no proxy from the environment', async () => {
    const proxy = await serve((_request, response) => response.end(CANARY))
    const { url } = await serve((_request, response) => response.end('direct'))
    const before = { ...process.env }
    Object.assign(process.env, { http_proxy: proxy.url, HTTP_PROXY: proxy.url, NODE_USE_ENV_PROXY: '1' })
    try {
      expect(await (await guardedFetch()(url)).text()).toBe('direct')
    } finally {
      process.env = before
    }
    expect(proxy.requests).toHaveLength(0)
  })

  it('refuses to send once it is closed', async () => {
    const fetch = createGuardedFetch({ allowLoopback: true })
    await fetch.close()
    expect((await failureOf(fetch('https://example.com/'))).code).toBe('upstream_unavailable')
  })
})
