import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './fixtures/index.ts'
import { codeBlocks } from './packed/codeBlocks.ts'
import { link } from './packed/installPacked.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGE_NAMES = await readdir(join(ROOT, 'packages'))
const README_PAGES = ['README.md', ...PACKAGE_NAMES.map((name) => `packages/${name}/README.md`)].filter((page) =>
  existsSync(join(ROOT, page)),
)
const DOCS = (await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
const LANGUAGES = new Set(['ts', 'typescript'])

const COMPILER_OPTIONS = {
  noEmit: true,
  strict: true,
  target: 'es2024',
  module: 'nodenext',
  moduleDetection: 'force',
  types: ['node'],
  skipLibCheck: true,
}

/** What a reader has installed: the built packages, and what the README tells them to install beside. */
async function installPackages(folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules', '@latchkey'), { recursive: true })
  for (const name of PACKAGE_NAMES) {
    await symlink(join(ROOT, 'packages', name), join(folder, 'node_modules', '@latchkey', name), 'junction')
  }
  for (const dependency of BESIDE) await link(dependency, join(ROOT, 'examples'), folder)
  for (const dependency of ['@mastra/core', '@openai/agents']) await link(dependency, join(ROOT, 'test'), folder)
  for (const dependency of ['@hono/node-server', 'hono', 'standardwebhooks'])
    await link(dependency, join(ROOT, 'packages/gateway'), folder)
}

const BESIDE = [
  '@ai-sdk/mcp',
  '@ai-sdk/openai',
  '@langchain/core',
  '@langchain/langgraph',
  '@langchain/mcp-adapters',
  '@langchain/openai',
  '@modelcontextprotocol/sdk',
  '@types/node',
  'ai',
  'langchain',
  'zod',
]

/** The compiler's complaints about the programs, in the order of their names. */
async function typeCheck(programs: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await using folder = await temporaryFolder()
  await installPackages(folder.path)
  for (const [name, code] of Object.entries(programs)) await writeFile(join(folder.path, `${name}.ts`), code)
  await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }')
  const options = { compilerOptions: COMPILER_OPTIONS, include: ['*.ts'] }
  await writeFile(join(folder.path, 'tsconfig.json'), JSON.stringify(options))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [compiler, '--project', folder.path, '--pretty', 'false'],
    {
      cwd: folder.path,
    },
  ).catch((error: { stdout: string }) => error)
  return stdout.split('\n').filter((line) => line !== '')
}

describe('the code in the READMEs', () => {
  it.each([...README_PAGES, ...DOCS])('%s holds only programs that compile', async (page) => {
    const blocks = codeBlocks(await readFile(join(ROOT, page), 'utf8')).filter(({ language }) =>
      LANGUAGES.has(language),
    )
    const programs = Object.fromEntries(blocks.map(({ line, code }) => [`line-${line}`, code]))
    // A page of the documentation may have no program in it.
    expect(blocks.length + Number(page.startsWith('docs/'))).toBeGreaterThan(0)
    expect(blocks.length > 0 ? await typeCheck(programs) : []).toEqual([])
  })

  it('finds what does not compile', async () => {
    const right = "import { getUserTools } from '@latchkey/langchain'\nexport const tools = await getUserTools('ann')\n"
    const wrong = "import { getUserTools } from '@latchkey/langchain'\nawait getUserTools(42)\n"
    expect(await typeCheck({ right, wrong })).toEqual([expect.stringMatching(/^wrong\.ts\(2,20\): error TS2345/)])
  })
})

describe('codeBlocks', () => {
  it('gives each block with its language and its line, whatever its fence', () => {
    const page =
      'Text\n\n```ts\nconst a = 1\n```\n\n- in a list\n  ~~~sh\n  npm test\n    -x\n  ~~~\n\n````md\n```ts\n```\n````\n'
    expect(codeBlocks(page)).toEqual([
      { language: 'ts', line: 4, code: 'const a = 1\n' },
      { language: 'sh', line: 9, code: 'npm test\n  -x\n' },
      { language: 'md', line: 14, code: '```ts\n```\n' },
    ])
  })
})
