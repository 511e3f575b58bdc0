/** Runs examples by name, each in a world of its own, and checks what came of it: `npm run example -- langchain`. */
import { checkAgentScript } from './checks/checkAgentScript.ts'
import { checkLanggraphPostgres } from './checks/checkLanggraphPostgres.ts'
import { checkNightlyBatch } from './checks/checkNightlyBatch.ts'
import { serveChat } from './checks/serveChat.ts'
import { failure, headline, table } from './world/print.ts'

interface Example {
  readonly title: string
  readonly run: () => Promise<void>
}

const EXAMPLES = new Map<string, Example>([
  ['langchain', { title: 'one user’s tools in a LangChain agent', run: () => checkAgentScript('langchain.ts') }],
  ['vercel-ai', { title: 'one user’s tools in the AI SDK', run: () => checkAgentScript('vercel-ai.ts') }],
  ['chat-server', { title: 'a chat with “Connect” cards, for many users', run: serveChat }],
  [
    'langgraph-postgres',
    { title: 'a run that stops for consent and goes on in another process', run: checkLanggraphPostgres },
  ],
  ['nightly-batch', { title: 'a job for many users, and one report', run: checkNightlyBatch }],
])

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
