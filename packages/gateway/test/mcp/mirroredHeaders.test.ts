import { serve } from '@hono/node-server'
import * as fc from 'fast-check'
import { once } from 'node:events'
import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { incomingOf } from '../../src/http/clientAddress.ts'
import { paramHeadersOf } from '../../src/mcp/mirroredHeaders.ts'

describe('paramHeadersOf', () => {
  it('gives the same with the names of all headers as without them, whatever their case', () => {
    const name = fc.constantFrom('Mcp-Param-City', 'MCP-PARAM-x', 'mcp-param-y', 'Mcp-Name', 'X-Mcp-Param-Z', 'Accept')
    const given = fc.array(fc.tuple(name, fc.stringMatching(/^[a-z]{1,8}$/)), { maxLength: 6 })
    fc.assert(
      fc.property(given, (pairs) => {
        const headers = new Headers(pairs)
        const names = pairs.map(([each]) => each)
        expect(paramHeadersOf(headers, names)).toEqual(paramHeadersOf(headers))
      }),
    )
  })

  it('finds what came over the wire in capitals, by the names that the HTTP server brings', async () => {
    const found = Promise.withResolvers<Record<string, string>>()
    const server = serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch({ headers }: Request, environment: unknown) {
        const names = incomingOf(environment)?.rawHeaders?.filter((_, index) => index % 2 === 0)
        expect(names).toBeDefined()
        found.resolve(paramHeadersOf(headers, names))
        return new Response()
      },
    })
    try {
      if (!server.listening) await once(server, 'listening')
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('The server listens on no port.')
      const sent = request({ port: address.port, host: '127.0.0.1', headers: { 'MCP-Param-City': 'Bern', Other: 'x' } })
      sent.end()
      await once(sent, 'response')
      expect(await found.promise).toEqual({ 'mcp-param-city': 'Bern' })
    } finally {
      server.close()
    }
  })
})
