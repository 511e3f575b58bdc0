// An upstream that speaks over standard input and output, with the tool that the other upstream has; both eras.
import { createInterface } from 'node:readline'

const person = { name: 'Dana', email: 'dana@acme.example', phone: '+1 555 0100', note: 'a note of usual length' }
const tool = { name: 'find_person', inputSchema: { type: 'object', properties: { name: { type: 'string' } } } }
const serverInfo = { name: 'directory', version: '1.0.0' }
const results = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo },
  'tools/list': { tools: [tool] },
  'tools/call': { content: [{ type: 'text', text: JSON.stringify(person) }], structuredContent: person },
  ping: {},
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line)
  if (id === undefined) continue
  const result = results[method]
  const outcome = result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result }
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...outcome })}\n`)
}
