import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { ConfigName } from './world.ts'

const MODERN = '2026-07-28'
const LEGACY = '2025-11-25'

/** Where one user's agent calls, and how it proves who it is. */
export interface Door {
  readonly config: ConfigName
  readonly url: string
  readonly headers: () => Promise<Record<string, string>>
}

export interface RawCall {
  readonly door: Door
  readonly era: 'modern' | 'legacy'
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly id: number
  readonly signal?: AbortSignal
  /** Of a client of the 2025 era. */
  readonly session?: string
}

export interface RawClient {
  /** Sends one message and gives every byte that came back: status, headers and body. An abort gives what came until then. */
  send(call: RawCall): Promise<string>
  /** Opens the stream of a session of the 2025 era, and gives what came of it in the end. */
  follow(call: Pick<RawCall, 'door' | 'session' | 'signal'>): Promise<string>
  close(): void
}

/** The cheapest client that there is: most of what a run costs should be the gateway. */
export function createRawClient(): RawClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000 })
  return {
    async send({ door, era, method, params, id, signal, session }) {
      const sent = era === 'modern' ? { ...params, _meta: envelope(params) } : params
      const name = params['name'] ?? params['uri']
      const headers = {
        ...(await door.headers()),
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': era === 'modern' ? MODERN : LEGACY,
        ...(era === 'modern' && { 'mcp-method': method }),
        ...(era === 'modern' && typeof name === 'string' && { 'mcp-name': name }),
        ...(session !== undefined && { 'mcp-session-id': session }),
      }
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: sent })
      return await exchange(door.url, { agent, method: 'POST', headers, signal }, body)
    },
    async follow({ door, session = '', signal }) {
      const headers = { ...(await door.headers()), accept: 'text/event-stream', 'mcp-session-id': session }
      return await exchange(door.url, { agent, method: 'GET', headers, signal }, '')
    },
    close: () => agent.destroy(),
  }
}

interface Sent {
  readonly agent: Agent
  readonly method: string
  readonly headers: Record<string, string>
  readonly signal: AbortSignal | undefined
}

/** Never rejects: what went wrong is part of what a user sees. */
async function exchange(url: string, { signal, ...options }: Sent, body: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = ''
  const request = httpRequest(url, { ...options, ...(signal && { signal }) })
  const end = (): void => resolve(received)
  request.on('response', (response: IncomingMessage) => {
    received = JSON.stringify([response.statusCode, response.rawHeaders])
    response.setEncoding('utf8')
    response.on('data', (text: string) => (received += text))
    response.on('end', end)
    response.on('error', end)
    response.on('close', end)
  })
  request.on('error', (error) => {
    if (!signal?.aborted) received += String(error)
    end()
  })
  request.end(body)
  return await promise
}

function envelope(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...(typeof params['_meta'] === 'object' ? params['_meta'] : {}),
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'isolation', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
}
