import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfigFile } from '../../src/config/loadConfigFile.ts'

const CONFIG = {
  publicUrl: 'http://127.0.0.1:8787',
  database: 'sqlite:data/latchkey.db',
  clients: [{ clientId: 'app', clientSecret: { env: 'SECRET' } }],
  connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
}

describe('loadConfigFile', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-config-'))
  })
  afterEach(() => rm(folder, { recursive: true }))
  const load = async (name: string, text: string) => {
    await writeFile(join(folder, name), text)
    return await loadConfigFile(join(folder, name), { SECRET: 's' })
  }

  it('reads JSON, with the database beside the file', async () => {
    const parsed = await load('latchkey.json', JSON.stringify(CONFIG))
    expect(parsed.database).toEqual({ kind: 'sqlite', path: join(folder, 'data', 'latchkey.db') })
  })

  it('reads the default export of a TypeScript module', async () => {
    const parsed = await load(
      'latchkey.ts',
      `const config: object = ${JSON.stringify(CONFIG)}\nexport default config\n`,
    )
    expect(parsed.clients[0]?.clientSecret.reveal()).toBe('s')
  })

  it('says where JSON breaks off and quotes nothing of it', async () => {
    const loading = load('latchkey.json', '{\n  "clientSecret": "canary" "x"\n}')
    await expect(loading).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/latchkey\.json is not JSON \(line 2, column \d+\)\.$/),
    })
  })

  it('names the file in front of what is wrong in it', async () => {
    const loading = load('latchkey.json', JSON.stringify({ ...CONFIG, conections: {} }))
    await expect(loading).rejects.toThrow(
      /latchkey\.json: .*\n {2}conections: unknown key, did you mean "connections"\?$/,
    )
  })

  it('names a file that is not there, and a module without a default export', async () => {
    await expect(loadConfigFile(join(folder, 'none.json'))).rejects.toThrow(/none\.json cannot be read/)
    await expect(load('empty.ts', 'export {}')).rejects.toThrow(/empty\.ts has no default export/)
  })
})
