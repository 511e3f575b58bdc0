import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { openRooms, OPTIONS } from '../control/openRooms.ts'

describe('createRegistry', () => {
  let store: Store
  beforeEach(async () => {
    store = await openSqliteStore(':memory:')
  })
  afterEach(() => store.close())

  it('keeps the ids of connections and configs across restarts', async () => {
    const before = await openRooms(OPTIONS, store)
    const after = await openRooms(OPTIONS, store)
    expect(after.registry.connections()).toEqual(before.registry.connections())
    expect(await after.configs.getByName('reader')).toEqual(await before.configs.getByName('reader'))
  })

  it('finds connections by id and by name, and nothing that only objects have', async () => {
    const { registry } = await openRooms(OPTIONS, store)
    const mail = registry.connectionByName('mail')
    expect(mail && registry.connection(mail.id)).toBe(mail)
    for (const name of ['__proto__', 'constructor', 'Mail', '']) {
      expect(registry.connectionByName(name)).toBeUndefined()
      expect(registry.connection(name)).toBeUndefined()
    }
  })

  it('updates a config that the configuration has changed, under the same id', async () => {
    const before = await (await openRooms(OPTIONS, store)).configs.requireByName('reader')
    const changed = { ...OPTIONS, configs: { reader: { mail: ['read_mail'], docs: '*' } } } as const
    const { configs, registry } = await openRooms(changed, store)
    // Gateways that are running hear of it.
    expect(await store.changes.after(0, 10)).toMatchObject([{ kind: 'config', subject: before.id }])
    expect(await configs.requireByName('reader')).toMatchObject({
      id: before.id,
      mappings: [
        { connectionId: registry.connectionByName('mail')?.id, tools: ['read_mail'] },
        { connectionId: registry.connectionByName('docs')?.id, tools: undefined },
      ],
    })
  })

  it('leaves configs alone that the configuration does not name', async () => {
    await openRooms(OPTIONS, store)
    const { configs } = await openRooms({ ...OPTIONS, configs: {} }, store)
    expect(await configs.getByName('email-agent')).toBeDefined()
  })
})
