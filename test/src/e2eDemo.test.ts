import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const DEMO = fileURLToPath(new URL('../../examples/src/demo/main.ts', import.meta.url))

describe('the demo', () => {
  it('shows its eight points, prints no secret and exits with 0 when it is run without a terminal', async () => {
    const conditions = ['--conditions=@latchkey/source', '--disable-warning=ExperimentalWarning']
    const { OPENAI_API_KEY: _key, ...rest } = process.env
    // Some libraries colour what they print where they find this.
    const env = { ...rest, CI: 'true' }
    // It rejects for any exit code but 0.
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...conditions, DEMO], { env })
    const sections = stdout.split('\n').flatMap((line) => /^(\d) {2}\S/.exec(line)?.[1] ?? [])
    expect(sections).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
    expect(stdout).toMatch(/woke \d+ ms after the last consent/)
    expect(stdout + stderr).not.toMatch(/lkurl_|lklink_|acme-key-|client-secret-|app-secret-/)
    expect(stderr).toBe('')
  })
})
