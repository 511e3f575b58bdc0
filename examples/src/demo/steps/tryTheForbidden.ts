import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { canaryOf } from '@latchkey/test/fixtures'
import { ALICE, BOB, PEOPLE } from '../people.ts'
import { check, section } from '../../world/print.ts'
import type { Secrets } from '../secrets.ts'
import type { World } from '../world.ts'

/** 6. What may not happen, tried out past our own client: with plain MCP, straight at the endpoint. */
export async function tryTheForbidden({ latchkey, gateway, mail }: World, secrets: Secrets): Promise<void> {
  section(6, 'What may not happen')
  const [aliceUrl, bobUrl] = await Promise.all(
    PEOPLE.map(async ({ userIdentifier }) => secrets.keep('MCP URL', await latchkey.mcpUrl(userIdentifier))),
  )
  if (aliceUrl === undefined || bobUrl === undefined) throw new Error('There is no MCP URL')

  await withClient(aliceUrl, async (client) => {
    const names = (await client.listTools()).tools.map(({ name }) => name)
    check(
      `delete_mail is not on the list of ${names.length} tools`,
      !names.some((name) => name.includes('delete_mail')),
      names,
    )

    const denied = await refusalOf(client, 'mail__delete_mail')
    const unheardOf = await refusalOf(client, 'mail__no_such_tool')
    const isAlike = denied.replace('delete_mail', '') === unheardOf.replace('no_such_tool', '')
    check('Calling it all the same is refused, just as for a tool that never was', isAlike, { denied, unheardOf })
    check('The mail service never heard of it', mail.calls.count(ALICE.account, 'delete_mail') === 0)

    const found = JSON.stringify(await client.callTool({ name: 'mail__search_mail', arguments: { query: 'acme' } }))
    const hasOwn = found.includes(canaryOf('mail', ALICE.account))
    const hasOther = found.includes(canaryOf('mail', BOB.account))
    check(
      `${ALICE.userIdentifier}'s URL gives ${ALICE.userIdentifier}'s mail, and none of ${BOB.userIdentifier}'s`,
      hasOwn && !hasOther,
    )
  })

  const statuses = await Promise.all([`${gateway.url}/mcp/lkurl_made-up`, forge(aliceUrl)].map(statusOf))
  check(
    `A made-up URL and a forged one get ${statuses.join(' and ')}`,
    statuses.every((status) => status === 401 || status === 404),
  )
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ name: 'somebody', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  try {
    await use(client)
  } finally {
    await client.close()
  }
}

async function refusalOf(client: Client, name: string): Promise<string> {
  return await client.callTool({ name, arguments: { id: '1' } }).then(
    (result) => `not refused: ${JSON.stringify(result)}`,
    (error: unknown) => String(error),
  )
}

/** The same URL with another last character. */
function forge(url: string): string {
  return url.slice(0, -1) + (url.endsWith('A') ? 'B' : 'A')
}

async function statusOf(url: string): Promise<number> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
  const response = await fetch(url, { method: 'POST', headers, body })
  await response.body?.cancel()
  return response.status
}
