import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../../examples/src/main.ts', import.meta.url))
const CONDITIONS = ['--conditions=@latchkey/source', '--disable-warning=ExperimentalWarning']
const SECRETS = /lkurl_|lklink_|acme-key-|client-secret-|app-secret-|eyJ[\w-]+\./

/** Rejects for any exit code but 0. */
async function run(...names: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const { OPENAI_API_KEY: _key, ...rest } = process.env
  // Some libraries colour what they print where they find this.
  const env = { ...rest, CI: 'true' }
  return await promisify(execFile)(process.execPath, [...CONDITIONS, MAIN, ...names], { env })
}

describe('npm run example', { timeout: 120_000 }, () => {
  it.each(['langchain', 'vercel-ai', 'mastra', 'openai-agents', 'langgraph-postgres', 'nightly-batch'])(
    '%s does what it is to show, checks it, prints no secret and ends by itself',
    async (name) => {
      const { stdout, stderr } = await run(name)
      expect(stderr).toBe('')
      expect(stdout).toMatch(/✔ .+\n$/)
      expect(stdout).not.toMatch(SECRETS)
    },
  )

  it('lists the examples when none is named', async () => {
    expect((await run()).stdout).toMatch(/^ +langchain +one user’s tools in a LangChain agent$/m)
  })

  it('ends with an error when there is no such example', async () => {
    await expect(run('cobol')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no example "cobol". There are: langchain'),
    })
  })
})
