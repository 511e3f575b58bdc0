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
}

/** Sends one message and gives every byte that came back: status, headers and body. An abort gives what came until then. */
export async function sendRaw({ door, era, method, params, id, signal }: RawCall): Promise<string> {
  const body = {
    jsonrpc: '2.0',
    id,
    method,
    params: era === 'modern' ? { ...params, _meta: envelope(params) } : params,
  }
  const headers = new Headers({
    ...(await door.headers()),
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': era === 'modern' ? MODERN : LEGACY,
  })
  if (era === 'modern') {
    headers.set('mcp-method', method)
    if (typeof params['name'] === 'string') headers.set('mcp-name', params['name'])
  }
  let received = ''
  try {
    const response = await fetch(door.url, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: signal ?? null,
      redirect: 'manual',
    })
    received = JSON.stringify([response.status, [...response.headers]])
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) received += decoder.decode(chunk, { stream: true })
  } catch (error) {
    if (!signal?.aborted) received += String(error)
  }
  return received
}

function envelope(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...(typeof params['_meta'] === 'object' ? params['_meta'] : {}),
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'isolation', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
}
