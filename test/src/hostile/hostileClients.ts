import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { JSON_BOMBS, MIB } from './corpus.ts'

/** Sends a client's bytes to a URL, and waits until the gateway has answered or hung up. */
export type ClientAttack = (url: URL) => Promise<void>

const META = '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}'
const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'one',
}

/** A call of the one tool there is, with these arguments, as text, and with what comes before the rest of `_meta`. */
export function callWith(args: string, meta = ''): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one","arguments":${args},"_meta":{${meta}${META}}}}`
}

export async function post(
  url: URL,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method: 'POST', body, headers: { ...HEADERS, ...headers } })
  return { status: response.status, text: await response.text() }
}

export async function list(url: URL): Promise<{ status: number; text: string }> {
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{${META}}}}`
  return await post(url, body, { 'mcp-method': 'tools/list' })
}

/** What a client may send. */
export const REQUESTS: Readonly<Record<string, ClientAttack>> = {
  ...Object.fromEntries(
    Object.entries(JSON_BOMBS).map(([name, bomb]): [string, ClientAttack] => [
      `arguments of ${name}`,
      async (url) => void (await post(url, callWith(bomb))),
    ]),
  ),
  'a body of 64 MiB, as it says': async (url) =>
    await raw(url, ['content-type: application/json', `content-length: ${64 * MIB}`], 'x'.repeat(64 * 1024), 1024),
  'a body of 64 MiB, in chunks': async (url) => {
    const chunk = 'x'.repeat(64 * 1024)
    const head = ['content-type: application/json', 'transfer-encoding: chunked']
    await raw(url, head, `${chunk.length.toString(16)}\r\n${chunk}\r\n`, 1024)
  },
  'a body of 200,000 chunks of one byte': async (url) => {
    const head = ['content-type: application/json', 'transfer-encoding: chunked']
    await raw(url, head, '1\r\n[\r\n'.repeat(1e4), 20)
  },
  'a million headers': async (url) => await raw(url, [], 'x: y\r\n'.repeat(1e4), 100, ''),
  'a header of 64 MiB': async (url) => await raw(url, [], 'x'.repeat(64 * 1024), 1024, 'x: '),
  'a body that drips and never ends': async (url) =>
    await raw(url, ['content-type: application/json', 'content-length: 1000'], '[', 200, undefined, 1),
}

/** Writes a head, then the same again and again until nobody reads it any more; then hangs up. */
async function raw(
  { hostname, port, pathname }: URL,
  head: readonly string[],
  part: string,
  times: number,
  afterHead = '\r\n',
  pauseMs = 0,
): Promise<void> {
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.resume()
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.on('close', () => resolve())
  socket.write(`${[`POST ${pathname} HTTP/1.1`, `host: ${hostname}:${port}`, ...head].join('\r\n')}\r\n${afterHead}`)
  for (let count = 0; count < times && !socket.destroyed && socket.writable; count += 1) {
    if (!socket.write(part)) await Promise.race([once(socket, 'drain').catch(() => undefined), closed])
    if (pauseMs > 0) await delay(pauseMs)
  }
  // Whoever still waits for the rest is not told anything more.
  socket.destroy()
  await closed
}
