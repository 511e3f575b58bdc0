import { describe, expect, it } from 'vitest'
import type { AccountEvent, ChangeKind, McpConfig, McpInstance } from '../../src/domain.ts'
import { createChanges } from '../../src/events/changes.ts'
import { createListeners } from '../../src/events/listeners.ts'
import { createFreshReads, type FreshReadsDeps } from '../../src/mcp/freshReads.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const CONFIG: McpConfig = {
  id: 'cfg_1',
  name: 'agent',
  description: undefined,
  mappings: [],
  createdAt: AT,
  updatedAt: AT,
}

const instance = (id: string): McpInstance => ({
  id,
  name: id,
  configId: CONFIG.id,
  userIdentifier: 'anna',
  urlVersion: 1,
  urlKeyId: 'k1',
  createdAt: AT,
  updatedAt: AT,
  lastUsedAt: undefined,
})

function createWorld() {
  const changes = createChanges()
  const listeners = createListeners<AccountEvent>({ describe: ({ id }) => ({ id }) })
  const reads: string[] = []
  const deps = {
    instances: { get: async (id: string) => (reads.push(id), instance(id)) },
    configs: { get: async (id: string) => (reads.push(id), CONFIG) },
    accounts: { ensureForConfig: async (_config: McpConfig, user: string) => (reads.push(user), []) },
    revocations: { epoch: async (user: string, configId: string) => (reads.push(`${user} ${configId}`), 0) },
    events: { subscribe: listeners.subscribe },
    changes,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only what is read is needed here
  const fresh = createFreshReads(deps as unknown as FreshReadsDeps)
  const readAll = async () => {
    await fresh.instances.get('ins_1')
    await fresh.configs.get('cfg_1')
    await fresh.accounts.ensureForConfig(CONFIG, 'anna')
    await fresh.revocations.epoch('anna', 'cfg_1')
    return reads.splice(0)
  }
  let sequence = 0
  return {
    fresh,
    readAll,
    change: (kind: ChangeKind, subject: string) =>
      changes.announce({ sequence: (sequence += 1), kind, subject, occurredAt: AT }),
    event: (userIdentifier: string) =>
      listeners.tell({
        sequence: (sequence += 1),
        id: 'evt_1',
        accountId: 'ca_1',
        userIdentifier,
        connectionId: 'conn_1',
        status: 'EXPIRED',
        oldStatus: 'ACTIVE',
        occurredAt: AT,
      }),
  }
}

describe('createFreshReads', () => {
  it('asks the store once for what is asked again at once', async () => {
    const { readAll } = createWorld()
    expect(await readAll()).toEqual(['ins_1', 'cfg_1', 'anna', 'anna cfg_1'])
    expect(await readAll()).toEqual([])
  })

  it.each([
    ['config', 'cfg_1', ['cfg_1', 'anna cfg_1']],
    ['instance', 'ins_1', ['ins_1', 'anna cfg_1']],
    ['user', 'anna', ['ins_1', 'anna', 'anna cfg_1']],
    ['config', 'cfg_2', ['anna cfg_1']],
    ['instance', 'ins_2', ['anna cfg_1']],
  ] as const)('forgets what a change of the %s %s is about', async (kind, subject, readAgain) => {
    const { readAll, change } = createWorld()
    await readAll()
    change(kind, subject)
    expect(await readAll()).toEqual(readAgain)
  })

  it('forgets the accounts of a user, and of no other, when a status changes', async () => {
    const { readAll, event } = createWorld()
    await readAll()
    event('berta')
    expect(await readAll()).toEqual([])
    event('anna')
    expect(await readAll()).toEqual(['anna'])
  })

  it('does not keep what was being read while a change was told', async () => {
    const { readAll, change, fresh } = createWorld()
    const reading = fresh.configs.get('cfg_1')
    change('config', 'cfg_1')
    await reading
    expect(await readAll()).toContain('cfg_1')
  })

  it('hears of nothing any more once it is closed', async () => {
    const { readAll, change, fresh } = createWorld()
    await readAll()
    fresh.close()
    change('config', 'cfg_1')
    expect(await readAll()).toEqual([])
  })
})
