import { LatchkeyError, latchkeyGateway, type UserTools } from '@latchkey/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canaryOf, consentAs, expectNoSecrets, type Stack, startStack } from './fixtures/index.ts'

describe.each(['sqlite', 'postgres'] as const)('userTools over the whole stack on %s', (store) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ store })
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  it('resolves for two users at once when each has given consent through the pages', async () => {
    const users = ['alice', 'bob'] as const
    const tools = await Promise.all(
      users.map(async (user) => {
        const asked = Promise.withResolvers<void>()
        const ready = stack.latchkey.userTools(user, {
          onAuthorizationRequired: async (connections) => {
            expect(connections.map(({ connectionName }) => connectionName)).toEqual(['mail', 'calendar', 'directory'])
            for (const { authenticationLink = '' } of connections) {
              const page = await consentAs(user, authenticationLink, { apiKey: stack.directory.keys.issue(user) })
              expect(page.text).toContain('is connected')
            }
            asked.resolve()
          },
          timeoutMs: 20_000,
        })
        await asked.promise
        return await ready
      }),
    )
    for (const [index, user] of users.entries()) {
      const other = users[1 - index] ?? ''
      for (const service of ['mail', 'calendar', 'directory']) {
        const seen = await callTool(tools[index], `${service}__whoami`)
        expect(seen).toContain(canaryOf(service, user))
        expect(seen).not.toContain(canaryOf(service, other))
      }
    }
  })

  it('lists exactly the tools that the config allows when the services offer more', async () => {
    await stack.connectAll('carol')
    const { tools, report } = await stack.latchkey.userTools('carol')
    expect(tools.map(({ name }) => name)).toEqual([
      'mail__search_mail',
      'mail__read_mail',
      'mail__send_mail',
      'mail__export_mailbox',
      'mail__whoami',
      'calendar__list_events',
      'calendar__create_event',
      'calendar__find_free_time',
      'calendar__whoami',
      'directory__find_person',
      'directory__whoami',
    ])
    expect(report).toEqual({ renamed: [], dropped: [], unavailable: [] })
  })

  it('names the connections with their links when nobody is there to show them to', async () => {
    const error = await failureOf(stack.latchkey.userTools('dave'))
    expect(error.code).toBe('authorization_required')
    expect(error.connections.map(({ connectionName, status }) => `${connectionName} ${status}`)).toEqual([
      'mail PENDING_AUTH',
      'calendar PENDING_AUTH',
      'directory PENDING_AUTH',
    ])
    expect(error.connections.every(({ authenticationLink }) => authenticationLink?.startsWith(stack.gateway.url))).toBe(
      true,
    )
  })

  it('refreshes an expired access token once and unseen when many calls come at the same time', async () => {
    await stack.connectAll('erin')
    const userTools = await stack.latchkey.userTools('erin')
    const refreshes = stack.authorizationServer.tokenCalls.refresh_token
    stack.authorizationServer.revokeAccessTokens('erin')
    const seen = await Promise.all(Array.from({ length: 20 }, async () => await callTool(userTools, 'mail__whoami')))
    expect(seen.every((text) => text.includes(canaryOf('mail', 'erin')))).toBe(true)
    expect(stack.authorizationServer.tokenCalls.refresh_token).toBe(refreshes + 1)
    expect(stack.mail.calls.count('erin', 'whoami')).toBe(20)
  })

  it('gives one typed error with a fresh link when the user takes the grant back in the middle of a run', async () => {
    await stack.connectAll('frank')
    const userTools = await stack.latchkey.userTools('frank')
    await callTool(userTools, 'mail__whoami')
    stack.authorizationServer.revokeUser('frank')

    const error = await failureOf(
      callTool(userTools, 'mail__send_mail', { to: 'x@y.example', subject: 's', body: 'b' }),
    )
    expect(error.code).toBe('authorization_required')
    expect(error.connections.map(({ connectionName }) => connectionName)).toEqual(['mail'])
    expect(stack.mail.calls.count('frank', 'send_mail')).toBe(0)

    const [connection] = error.connections
    await consentAs('frank', connection?.authenticationLink ?? '')
    await callTool(userTools, 'mail__send_mail', { to: 'x@y.example', subject: 's', body: 'b' })
    expect(stack.mail.calls.count('frank', 'send_mail')).toBe(1)
  })

  it('gives the other tools and names what is missing when an upstream is down', async () => {
    await stack.connectAll('grace')
    stack.calendar.faults.failNext({ user: 'grace', times: 100 })
    const { tools, report } = await stack.latchkey.userTools('grace')
    expect(tools.some(({ name }) => name === 'mail__search_mail')).toBe(true)
    expect(tools.some(({ name }) => name.startsWith('calendar__'))).toBe(false)
    expect(report.unavailable.map(({ connection }) => connection)).toEqual(['calendar'])
  })

  it('sends a call once when the upstream fails in the middle of it', async () => {
    await stack.connectAll('heidi')
    const userTools = await stack.latchkey.userTools('heidi')
    stack.mail.faults.failNext({ user: 'heidi', tool: 'send_mail', status: 502 })
    const call = callTool(userTools, 'mail__send_mail', { to: 'x@y.example', subject: 's', body: 'b' })
    await expect(call).rejects.toThrow(LatchkeyError)
    expect(stack.mail.calls.count('heidi', 'send_mail')).toBe(0)
    expect(await callTool(userTools, 'mail__whoami')).toContain(canaryOf('mail', 'heidi'))
  })

  it('is told by a pushed event when an account is connected', async () => {
    const { url, clientId, clientSecret } = stack.gateway
    const backend = latchkeyGateway({ url, clientId, clientSecret })
    const { id } = await stack.latchkey.ensureInstance('judy')
    const link = await stack.linkFor('judy', 'mail')
    const ended = new AbortController()
    const opened = Promise.withResolvers<void>()
    const events = backend.statusEvents?.(id, { signal: ended.signal, onOpen: opened.resolve })
    const next = events?.[Symbol.asyncIterator]().next()
    await opened.promise
    // Another user's consent comes first, and is nothing that this stream may tell.
    await stack.connectAll('mallory')
    await consentAs('judy', link)
    const event = (await next)?.value
    expect(event).toMatchObject({ userIdentifier: 'judy', connectionName: 'mail', status: 'ACTIVE' })
    ended.abort()
    await backend.close()
  })

  it('writes no secret to the log', async () => {
    const url = await stack.latchkey.mcpUrl('alice')
    const link = await stack.linkFor('ivan', 'mail')
    await consentAs('ivan', link)
    const secrets = {
      url,
      urlSecret: url.split('/').at(-1) ?? '',
      link: link.split('/').at(-1) ?? '',
      client: stack.gateway.clientSecret,
    }
    expect(stack.logLines.length).toBeGreaterThan(0)
    expectNoSecrets(stack.logLines.join('\n'), secrets)
  })
})

async function callTool(userTools: UserTools | undefined, name: string, args = {}): Promise<string> {
  const tool = userTools?.tools.find((candidate) => candidate.name === name)
  if (!tool) throw new Error(`There is no tool ${name}`)
  return JSON.stringify(await tool.call(args))
}

async function failureOf(promise: Promise<unknown>): Promise<LatchkeyError> {
  const outcome: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof LatchkeyError) return outcome
  throw new Error('It did not fail with a LatchkeyError', { cause: outcome })
}
