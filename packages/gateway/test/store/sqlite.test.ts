import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { describeStore } from './describeStore.ts'

describeStore('openSqliteStore in memory', () => openSqliteStore(':memory:'))

describe('openSqliteStore', () => {
  let folder: string
  const opened: Store[] = []
  const open = async () => {
    const store = await openSqliteStore(join(folder, 'data', 'latchkey.db'))
    opened.push(store)
    return store
  }
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-store-'))
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
    await rm(folder, { recursive: true })
  })

  it('remembers across restarts', async () => {
    const before = await open()
    await before.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: new Date(0) })
    await before.close()
    opened.splice(0)
    const after = await open()
    expect(await after.connections.ensure({ id: 'conn_2', name: 'mail', createdAt: new Date(0) })).toBe('conn_1')
  })

  it('lets nobody else read the files', async () => {
    const store = await open()
    await store.connections.ensure({ id: 'conn_1', name: 'mail', createdAt: new Date(0) })
    for (const suffix of ['', '-wal', '-shm']) {
      const { mode } = await stat(join(folder, 'data', `latchkey.db${suffix}`))
      expect(mode & 0o777).toBe(0o600)
    }
  })

  it('opens one file several times at once, each seeing what the others wrote', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, open))
    const ids = await Promise.all(
      [...stores, ...stores, ...stores].map((store, index) =>
        store.connections.ensure({ id: `conn_${index}`, name: 'mail', createdAt: new Date(0) }),
      ),
    )
    expect(new Set(ids).size).toBe(1)
  })

  it('refuses a file that is not a database, naming it', async () => {
    const path = join(folder, 'notes.txt')
    await writeFile(path, 'These are notes, and certainly longer than the header of a database file is.'.repeat(20))
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining(path),
    })
  })
})
