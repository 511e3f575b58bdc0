import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { DEMO_HEADER } from './demoServer.ts'

const CLIENT_ID = 'app'

export interface DevFolder {
  readonly configFile: string
  readonly envFile: string
  readonly clientSecret: string
}

/** The folder that `latchkey dev` keeps its things in. What is there already stays. */
export async function openDevFolder(given: string, port: number): Promise<DevFolder> {
  const folder = resolve(given)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // Nothing in it is for a repository.
  await keep(join(folder, '.gitignore'), '*\n')
  const envFile = join(folder, 'env')
  const clientSecret = randomBytes(32).toString('base64url')
  await keep(envFile, environment(`http://127.0.0.1:${port}`, clientSecret))
  const configFile = join(folder, 'latchkey.config.json')
  await keep(configFile, `${JSON.stringify(firstConfig(port, await freePort()), null, 2)}\n`)
  const kept = parseEnv(await readFile(envFile, 'utf8')).LATCHKEY_CLIENT_SECRET
  return { configFile, envFile, clientSecret: kept ?? clientSecret }
}

/** Writes a file unless it is there. */
async function keep(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

function environment(url: string, clientSecret: string): string {
  return `LATCHKEY_URL=${url}\nLATCHKEY_CLIENT_ID=${CLIENT_ID}\nLATCHKEY_CLIENT_SECRET=${clientSecret}\n`
}

function firstConfig(port: number, demoPort: number) {
  return {
    publicUrl: `http://127.0.0.1:${port}`,
    database: 'sqlite:./latchkey.db',
    clients: [{ clientId: CLIENT_ID, clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' }, displayName: 'Your app' }],
    connections: {
      demo: {
        displayName: 'Demo',
        mcpServerUrl: `http://127.0.0.1:${demoPort}/mcp`,
        auth: { type: 'api_key', header: DEMO_HEADER },
      },
    },
    configs: { demo: { demo: '*' } },
  }
}

/** A port of the loopback address on which nothing listens now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('A port of the loopback address has no number.')
  return address.port
}
