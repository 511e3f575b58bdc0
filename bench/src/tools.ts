import { createMCPClient } from '@ai-sdk/mcp'
import { createLatchkey } from '@latchkey/core'
import { createUserTools as forLangChain } from '@latchkey/langchain'
import { createUserTools as forVercelAi } from '@latchkey/vercel-ai'
import { MultiServerMCPClient } from '@langchain/mcp-adapters'
import type { Benchmark } from './benchmark.ts'
import { CONFIG, createStack, type Stack } from './stack.ts'
import { median, time } from './statistics.ts'

const ROUNDS = 30
const LATENCY_MS = 20
const USER = 'ann'

/** Round trips and time of getting one connected user's tools, against the frameworks' own MCP clients. */
export const tools: Benchmark = {
  name: 'tools',
  title: `getUserTools cold and warm, against MultiServerMCPClient and createMCPClient on the same endpoint`,
  async run(say) {
    await using stack = await createStack()
    await stack.consent(USER)
    const { latchkey } = stack
    const server = { url: await latchkey.mcpUrl(USER) }
    const cold = { langchain: () => coldTools(stack, forLangChain), vercelAi: () => coldTools(stack, forVercelAi) }
    const warm = forLangChain(latchkey)
    await warm(USER)
    const peers = { adapters: () => withMcpAdapters(server.url), aiSdk: () => withAiSdkMcp(server.url) }

    const requests = {
      cold: await countRequests(stack, cold.langchain),
      warm: await countRequests(stack, async () => await warm(USER)),
      adapters: await countRequests(stack, peers.adapters),
      aiSdk: await countRequests(stack, peers.aiSdk),
    }
    say(`cold: ${requests.cold.join(', ')}`)
    const local = await time(ROUNDS, cold.langchain)
    stack.setLatencyMs(LATENCY_MS)
    say(`${ROUNDS} times each; where the name says so, with ${LATENCY_MS} ms added to each request`)
    const far = {
      langchain: await time(ROUNDS, cold.langchain),
      vercelAi: await time(ROUNDS, cold.vercelAi),
      adapters: await time(ROUNDS, peers.adapters),
      aiSdk: await time(ROUNDS, peers.aiSdk),
      warm: await time(ROUNDS, async () => await warm(USER)),
    }
    return {
      // The app's access token is asked for once a process and not once a user; it is counted apart.
      'tools.cold_requests': requests.cold.filter((request) => request !== 'POST /oauth/token').length,
      'tools.cold_token_requests': requests.cold.filter((request) => request === 'POST /oauth/token').length,
      'tools.warm_requests': requests.warm.length,
      'tools.mcp_adapters_requests': requests.adapters.length,
      'tools.ai_sdk_mcp_requests': requests.aiSdk.length,
      'tools.cold_ms': median(local),
      'tools.cold_20ms_ms': median(far.langchain),
      'tools.warm_20ms_ms': median(far.warm),
      'tools.mcp_adapters_20ms_ms': median(far.adapters),
      'tools.ai_sdk_mcp_20ms_ms': median(far.aiSdk),
      'tools.cold_over_mcp_adapters': median(far.langchain) / median(far.adapters),
      'tools.cold_over_ai_sdk_mcp': median(far.vercelAi) / median(far.aiSdk),
    }
  },
}

async function countRequests(stack: Stack, task: () => Promise<unknown>): Promise<readonly string[]> {
  stack.takeRequests()
  await task()
  return stack.takeRequests()
}

/** A process that has just started: nothing is known, not even the app's access token. */
async function coldTools(
  { client }: Stack,
  createUserTools: (latchkey: ReturnType<typeof createLatchkey>) => (user: string) => Promise<unknown>,
): Promise<void> {
  await using latchkey = createLatchkey({ ...client, config: CONFIG })
  await createUserTools(latchkey)(USER)
}

async function withMcpAdapters(url: string): Promise<void> {
  const client = new MultiServerMCPClient({ mcpServers: { user: { transport: 'http', url } } })
  await client.getTools()
  await client.close()
}

async function withAiSdkMcp(url: string): Promise<void> {
  const client = await createMCPClient({ transport: { type: 'http', url } })
  await client.tools()
  await client.close()
}
