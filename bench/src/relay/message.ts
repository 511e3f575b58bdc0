/** One request of the 2026-07-28 era to an MCP endpoint. */
export function message(
  url: string,
  method: string,
  given: { readonly name?: string; readonly [key: string]: unknown },
  credential: Readonly<Record<string, string>> = {},
): () => Promise<string> {
  const headers = {
    ...credential,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(given.name === undefined ? {} : { 'mcp-name': given.name }),
  }
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...given, _meta: envelope } })
  return async () => {
    const response = await fetch(url, { method: 'POST', headers, body })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} failed: ${response.status} ${text.slice(0, 200)}`)
    return text
  }
}
