/** Runs examples by name, each in a world of its own, and checks what came of it: `npm run example -- langchain`. */
import { failure, headline, table } from './world/print.ts'

interface Example {
  readonly title: string
  readonly run: () => Promise<void>
}

/** Each is loaded only when it is run. */
const EXAMPLES = new Map<string, Example>([
  ['langchain', { title: 'one user’s tools in a LangChain agent', run: () => agentScript('langchain.ts') }],
  ['vercel-ai', { title: 'one user’s tools in the AI SDK', run: () => agentScript('vercel-ai.ts') }],
  ['mastra', { title: 'one user’s tools in a Mastra agent', run: () => agentScript('mastra.ts') }],
  ['openai-agents', { title: 'one user’s tools in the OpenAI Agents SDK', run: () => agentScript('openai-agents.ts') }],
  [
    'chat-server',
    {
      title: 'a chat with “Connect” cards, for many users',
      run: async () => await (await import('./checks/serveChat.ts')).serveChat(),
    },
  ],
  [
    'langgraph-postgres',
    {
      title: 'a run that stops for consent and goes on in another process',
      run: async () => await (await import('./checks/checkLanggraphPostgres.ts')).checkLanggraphPostgres(),
    },
  ],
  [
    'nightly-batch',
    {
      title: 'a job for many users, and one report',
      run: async () => await (await import('./checks/checkNightlyBatch.ts')).checkNightlyBatch(),
    },
  ],
])

async function agentScript(program: string): Promise<void> {
  const { checkAgentScript } = await import('./checks/checkAgentScript.ts')
  await checkAgentScript(program)
}

async function run(name: string): Promise<void> {
  const example = EXAMPLES.get(name)
  if (!example) throw new Error(`There is no example "${name}". There are: ${[...EXAMPLES.keys()].join(', ')}`)
  headline(name, example.title)
  await example.run()
}

const names = process.argv.slice(2)
if (names.length === 0) {
  headline('Examples', 'npm run example -- NAME')
  table(
    ['name', 'shows'],
    [...EXAMPLES].map(([name, { title }]) => [name, title]),
  )
}
try {
  for (const name of names) await run(name)
} catch (error) {
  failure(error)
  process.exitCode = 1
}
