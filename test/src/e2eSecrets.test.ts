import { describe, expect, it } from 'vitest'
import { consentAs, createHttpBrowser, secretsIn, startStack } from './fixtures/index.ts'

describe('createGateway', () => {
  it('shows no secret in its log, and none of an upstream in an answer, whether calls succeed or fail', async () => {
    const stack = await startStack({ record: true })
    const { authorizationServer, directory, gateway, latchkey, mail } = stack
    const browser = createHttpBrowser()
    const apiKey = directory.keys.issue('alice')
    const links: string[] = []
    for (const connection of ['mail', 'calendar', 'directory']) {
      const link = await stack.linkFor('alice', connection)
      links.push(link)
      if (connection === 'mail') await consentAs('alice', link, { browser, decision: 'deny' })
      await consentAs('alice', link, { browser, apiKey })
    }
    const url = await latchkey.mcpUrl('alice')
    const sessionHeaders = await (await latchkey.ready('alice')).headers()
    const { tools } = await latchkey.userTools('alice')
    const whoami = tools.find(({ name }) => name === 'mail__whoami')
    await whoami?.call({})
    authorizationServer.revokeAccessTokens('alice')
    await whoami?.call({})
    for (const status of [500, 302, 200]) {
      mail.faults.failNext({ status, method: 'tools/call' })
      await expect(whoami?.call({})).rejects.toMatchObject({ name: 'LatchkeyError' })
    }
    authorizationServer.revokeUser('alice')
    await expect(whoami?.call({})).rejects.toMatchObject({ code: 'authorization_required' })
    for (const forged of [`${url}x`, `${gateway.url}/mcp/lkurl_x`]) await fetch(forged, { method: 'POST', body: '{' })
    await stack[Symbol.asyncDispose]()

    const queries = browser.visits.map((visit) => new URL(visit.url).searchParams)
    const ofUpstreams = {
      apiKey,
      ...named('token', authorizationServer.issuedTokens),
      ...named('code', unique(queries.flatMap((query) => query.getAll('code')))),
    }
    const ofUsers = {
      clientSecret: gateway.clientSecret,
      urlSecret: lastSegment(url),
      ...named('link', links.map(lastSegment)),
      ...named('session', Object.values(sessionHeaders).map(lastWord)),
      ...named('state', unique(queries.flatMap((query) => query.getAll('state')))),
    }
    const log = stack.logLines.join('\n')
    const answers = (await Promise.all(gateway.answers.map(async ({ headers, body }) => headers + (await body)))).join()
    // The sweep proves nothing without secrets to look for and places to look at.
    expect(Object.keys(ofUpstreams).length).toBeGreaterThanOrEqual(9)
    expect(Object.keys(ofUsers).length).toBeGreaterThanOrEqual(9)
    expect(answers).toContain('is connected')
    expect(log).toContain('/mcp/:endpoint')
    expect(secretsIn(log, { ...ofUpstreams, ...ofUsers })).toEqual([])
    expect(secretsIn(answers, { ...ofUpstreams, clientSecret: gateway.clientSecret })).toEqual([])
  })
})

function named(name: string, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, index) => [`${name} ${index}`, value]))
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function lastSegment(url: string): string {
  return url.split('/').at(-1) ?? ''
}

function lastWord(header: string): string {
  return header.split(' ').at(-1) ?? ''
}
