import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Stack, startStack } from './fixtures/index.ts'

const LIST = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })

async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const accept = 'application/json, text/event-stream'
  const init = { method: 'POST', headers: { 'content-type': 'application/json', accept, ...headers }, body: LIST }
  const response = await fetch(url, init)
  await response.text()
  return response.status
}

describe.each(['sqlite', 'postgres'] as const)('revokeUser over the whole stack on %s', (store) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ store })
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  it('T67: ends the URL, the session token and the grants at the provider, for one user and no other', async () => {
    const users = ['alice', 'bob'] as const
    for (const user of users) await stack.connectAll(user)
    const [alice, bob] = await Promise.all(
      users.map(async (user) => {
        const endpoint = await stack.latchkey.ready(user)
        return { url: await stack.latchkey.mcpUrl(user), mcp: endpoint.url, headers: await endpoint.headers() }
      }),
    )
    if (alice === undefined || bob === undefined) throw new Error('there are two users')
    expect([await statusOf(alice.url, {}), await statusOf(alice.mcp, alice.headers)]).toEqual([200, 200])
    const revokedBefore = stack.authorizationServer.revokedGrants

    const { instancesDeleted, connectedAccounts } = await stack.latchkey.revokeUser('alice')
    expect(instancesDeleted).toBe(1)
    const outcomes = connectedAccounts.map(({ connectionName, upstreamRevocation }) => [
      connectionName,
      upstreamRevocation,
    ])
    expect(Object.fromEntries(outcomes)).toEqual({ mail: 'revoked', calendar: 'revoked', directory: 'not_applicable' })

    expect([await statusOf(alice.url, {}), await statusOf(alice.mcp, alice.headers)]).toEqual([404, 401])
    expect([await statusOf(bob.url, {}), await statusOf(bob.mcp, bob.headers)]).toEqual([200, 200])
    expect(stack.authorizationServer.revokedGrants).toBe(revokedBefore + 2)
  })

  it('lets the user connect anew afterwards', async () => {
    await stack.connectAll('carol')
    const before = await stack.latchkey.mcpUrl('carol')
    await stack.latchkey.revokeUser('carol')
    await expect(stack.latchkey.userTools('carol')).rejects.toMatchObject({ code: 'authorization_required' })
    await stack.connectAll('carol')
    expect((await stack.latchkey.userTools('carol')).tools.length).toBeGreaterThan(0)
    expect(await stack.latchkey.mcpUrl('carol')).not.toBe(before)
  })
})
