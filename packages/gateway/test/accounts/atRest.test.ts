import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { CLIENT_SECRET, openRooms, OPTIONS } from '../control/openRooms.ts'

describe('T2, T60: the database files', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-rest-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('hold no link token, URL secret, client secret or credential, in any spelling', async () => {
    const rooms = await openRooms(OPTIONS, await openSqliteStore(join(folder, 'latchkey.db')))
    const secrets = [CLIENT_SECRET, 'canary-api-key']
    for (const user of ['u', 'v']) {
      const instance = await rooms.instances.ensure(await rooms.configs.requireByName('search-agent'), user)
      const { url } = await rooms.accounts.createLink(await rooms.accountOf('search-agent', user, 'search'))
      await rooms.connect(url.reveal())
      for (const secret of [url, await rooms.instances.url(instance)])
        secrets.push(secret.reveal().split('/').at(-1) ?? '')
    }
    const bytes = await contentOf(folder)
    expect(bytes).toContain('search-agent')
    for (const secret of secrets) {
      for (const spelling of spellings(secret)) expect(bytes).not.toContain(spelling)
    }
    await rooms.close()
  })
})

async function contentOf(folder: string): Promise<string> {
  const files = await readdir(folder)
  expect(files.toSorted()).toEqual(['latchkey.db', 'latchkey.db-shm', 'latchkey.db-wal'])
  return (await Promise.all(files.map((file) => readFile(join(folder, file), 'latin1')))).join('')
}

function spellings(secret: string): string[] {
  const random = secret.replace(/^lk[a-z]+_/, '')
  const forms = [secret, random].flatMap((text) => [
    text,
    Buffer.from(text).toString('hex'),
    Buffer.from(text).toString('base64').replaceAll('=', ''),
    encodeURIComponent(text),
  ])
  return [...forms, Buffer.from(random, 'base64url').toString('latin1')]
}
