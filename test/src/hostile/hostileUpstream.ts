import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { portOf } from '../fixtures/portOf.ts'
import { COMPRESSED, JSON_BOMBS, JSON_BOMBS_OF_AN_EVENT, MIB, SCHEMA_BOMBS } from './corpus.ts'

export interface HostileUpstream extends AsyncDisposable {
  readonly url: string
  /** How it answers calls from now on. */
  attack: Attack
  /** What it answers to `tools/list` from now on, as the text of a result. */
  list: string
}

type Attack = (response: ServerResponse, id: string) => Promise<void> | void

const SSE = { 'content-type': 'text/event-stream' }
const JSON_TYPE = { 'content-type': 'application/json' }

export const well: Attack = (response, id) => {
  response.writeHead(200, JSON_TYPE).end(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[]}}`)
}

/** Writes for as long as somebody reads, and never faster. */
async function pour(response: ServerResponse, chunk: string, bytes: number): Promise<void> {
  const chunks = Array.from({ length: Math.ceil(bytes / chunk.length) }, () => chunk)
  // Nobody reads to the end.
  await pipeline(Readable.from(chunks), response).catch(() => undefined)
}

export const GOOD_LIST = '{"ttlMs":0,"tools":[{"name":"one","inputSchema":{}}]}'

/** How an upstream may answer a call. */
export const ANSWERS: Readonly<Record<string, Attack>> = {
  ...mapped(COMPRESSED, (name, { body, encoding }) => [
    `100 MiB in ${name}`,
    (response) => void response.writeHead(200, { ...JSON_TYPE, 'content-encoding': encoding }).end(body),
  ]),
  ...mapped(JSON_BOMBS, (name, bomb) => [
    name,
    (response, id) =>
      void response.writeHead(200, JSON_TYPE).end(`{"jsonrpc":"2.0","id":${id},"result":{"content":${bomb}}}`),
  ]),
  ...mapped(JSON_BOMBS_OF_AN_EVENT, (name, bomb) => [
    `an event of ${name}`,
    (response, id) =>
      void response
        .writeHead(200, SSE)
        .end(`data: {"jsonrpc":"2.0","id":${id},"result":{"content":${bomb.slice(0, MIB - 100)}}}\n\n`),
  ]),
  'bytes that are no text': (response, id) => {
    response.writeHead(200, JSON_TYPE).write(`{"jsonrpc":"2.0","id":${id},"result":{"content":["`)
    response.write(Buffer.alloc(9 * MIB, 0xff))
    response.end('"]}}')
  },
  'a body of 64 MiB': (response) => pour(response.writeHead(200, JSON_TYPE), 'x'.repeat(64 * 1024), 64 * MIB),
  'an event of 64 MiB': (response) => pour(response.writeHead(200, SSE), `data:${'x'.repeat(64 * 1024)}`, 64 * MIB),
  'a million fields of one event': (response) => void response.writeHead(200, SSE).end('data: x\n'.repeat(1e6)),
  'a million events': (response) => void response.writeHead(200, SSE).end('data:1\n\n'.repeat(1e6)),
  'a million events with ids': (response) => void response.writeHead(200, SSE).end('id:1\ndata:1\n\n'.repeat(7e5)),
  'lines that are no fields': (response) => pour(response.writeHead(200, SSE), 'x\n'.repeat(30_000), 64 * MIB),
  'a retry that is no number, without end': (response) =>
    pour(response.writeHead(200, SSE), 'retry:x\n'.repeat(8_000), 64 * MIB),
  'comments without end': (response) => pour(response.writeHead(200, SSE), ':\n\n'.repeat(10_000), 64 * MIB),
  'a body of a million chunks of one byte': (response) => chunked(response, 'application/json', '1\r\n[\r\n'),
  'a stream of a million chunks of one byte': (response) => chunked(response, 'text/event-stream', '1\r\n:\r\n'),
  'a million headers': (response) => {
    const lines = 'x: y\r\n'.repeat(1e6)
    response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${lines}\r\n{}`)
  },
  'headers without end after a long one': (response) => {
    const lines = `long: ${'y'.repeat(16_000)}\r\n${'x: y\r\n'.repeat(1e6)}`
    response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${lines}\r\n{}`)
  },
  'a header of 64 MiB': (response) => {
    response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(64 * MIB)}\r\n\r\n{}`)
  },
  'a thousand notifications': (response, id) => {
    const told = 'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n'
    response.writeHead(200, SSE).end(`${told.repeat(1e3)}data: {"jsonrpc":"2.0","id":${id},"result":{}}\n\n`)
  },
  'a drip of 200 bytes': async (response) => {
    response.writeHead(200, JSON_TYPE)
    for (let count = 0; count < 200 && !response.destroyed; count += 1) {
      response.write('[')
      await delay(1)
    }
    response.end()
  },
}

/** No HTTP server writes like this by itself. */
async function chunked({ socket }: ServerResponse, type: string, chunk: string): Promise<void> {
  if (socket === null) return
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`)
  const chunks = Array.from({ length: 100 }, () => chunk.repeat(1e4))
  await pipeline(Readable.from(chunks), socket).catch(() => undefined)
}

/** What an upstream may list. */
export const LISTS: Readonly<Record<string, string>> = {
  ...mapped(SCHEMA_BOMBS, (name, tools) => [name, `{"ttlMs":0,"tools":[${tools}]}`]),
  ...mapped(JSON_BOMBS_OF_AN_EVENT, (name, bomb) => [
    `a list of ${name}`,
    `{"ttlMs":0,"tools":${bomb.slice(0, 2 * MIB)}}`,
  ]),
  'a list without end': `{"ttlMs":0,"nextCursor":"more","tools":[${SCHEMA_BOMBS['a list of 2,000 tools'] ?? ''}]}`,
}

function mapped<T, U>(of: Readonly<Record<string, T>>, entry: (name: string, value: T) => [string, U]) {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => entry(name, value)))
}

/** An MCP server of 2026-07-28 that answers as it is told. */
export async function startHostileUpstream(): Promise<HostileUpstream> {
  const upstream = { attack: well, list: GOOD_LIST }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const message = JSON.parse((await text(request)) || '{}')
    const id = JSON.stringify(message.id ?? null)
    const reply = (result: string) =>
      void response.writeHead(200, JSON_TYPE).end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    if (message.method === 'server/discover') return reply('{"supportedVersions":["2026-07-28"],"capabilities":{}}')
    if (message.method === 'tools/list') return reply(upstream.list)
    await upstream.attack(response, id)
  }

  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    void answer(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(upstream, {
    url: `http://127.0.0.1:${portOf(server)}/mcp`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  })
}
