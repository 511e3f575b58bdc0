import { describe, expect, it, vi } from 'vitest'
import { createSettling } from '../../src/accounts/settling.ts'
import type { AccountInDoubt } from '../../src/store/store.ts'
import { connectionTo } from '../oauth/support/parts.ts'

/** Accounts in doubt, in the order in which the store gives them, and a provider that settles what `settles` says. */
function inDoubt(accounts: readonly AccountInDoubt[], settles: (connectionId: string) => Promise<boolean>) {
  const left = [...accounts]
  const asked: string[] = []
  const settling = createSettling({
    refreshes: { inDoubt: async (limit) => left.slice(0, limit) },
    async settle({ id: connectionId }, accountId) {
      asked.push(accountId)
      const at = left.findIndex(({ id }) => id === accountId)
      if (await settles(connectionId)) left.splice(at, 1)
      return true
    },
  })
  const registry = {
    connection: (id: string) =>
      id === 'removed' ? undefined : { ...connectionTo('https://docs.example/mcp', { type: 'none' }), id },
  }
  return { asked, settle: () => settling.settleInDoubt(registry) }
}

function accountsOf(connectionId: string, count: number): AccountInDoubt[] {
  return Array.from({ length: count }, (_, index) => {
    return { id: `${connectionId}_${index}`, connectionId, userIdentifier: 'ada', generation: 1 }
  })
}

describe('createSettling', () => {
  it('T65: lets a provider that does not answer hold up no grant of another', async () => {
    const never = new Promise<boolean>(() => undefined)
    const accounts = [...accountsOf('hanging', 500), ...accountsOf('mail', 1)]
    const { asked, settle } = inDoubt(accounts, (connectionId) =>
      connectionId === 'hanging' ? never : Promise.resolve(true),
    )
    void settle()
    await vi.waitFor(() => expect(asked).toContain('mail_0'))
    expect(asked.length).toBeLessThan(100)
  })

  it.each(['removed', 'broken'])('T65: reaches a grant behind any number of a %s connection', async (hopeless) => {
    const { asked, settle } = inDoubt([...accountsOf(hopeless, 1_500), ...accountsOf('mail', 1)], (connectionId) =>
      Promise.resolve(connectionId === 'mail'),
    )
    for (let turn = 0; turn < 100 && !asked.includes('mail_0'); turn += 1) await settle()
    expect(asked).toContain('mail_0')
  })

  it('T65: asks soon for one that stays in doubt, and then ever more rarely', async () => {
    const { asked, settle } = inDoubt(accountsOf('broken', 1), () => Promise.resolve(false))
    const turns: number[] = []
    for (let turn = 1; turn <= 200; turn += 1) {
      const before = asked.length
      await settle()
      if (asked.length > before) turns.push(turn)
    }
    expect(turns).toEqual([1, 2, 3, 5, 9, 17, 33, 65, 129, 193])
  })

  it('T65: asks at once for one whose refresh somebody was at, and is no more, however long it took', async () => {
    const [account] = accountsOf('mail', 1)
    const turns: number[] = []
    let turn = 0
    const settling = createSettling({
      refreshes: { inDoubt: async () => (account === undefined ? [] : [account]) },
      // Until then another process holds its lock.
      async settle() {
        if (turn < 18) return false
        turns.push(turn)
        return true
      },
    })
    const registry = { connection: () => connectionTo('https://docs.example/mcp', { type: 'none' }) }
    for (turn = 1; turn <= 20; turn += 1) await settling.settleInDoubt(registry)
    expect(turns).toEqual([18, 19, 20])
  })

  it('T65: reaches a grant behind any number whose refreshes are under way', async () => {
    const accounts = accountsOf('mail', 200)
    const asked: string[] = []
    const settling = createSettling({
      refreshes: { inDoubt: async () => accounts },
      async settle(_connection, accountId) {
        asked.push(accountId)
        return accountId === 'mail_199'
      },
    })
    const registry = { connection: () => connectionTo('https://docs.example/mcp', { type: 'none' }) }
    for (let turn = 0; turn < 20 && !asked.includes('mail_199'); turn += 1) await settling.settleInDoubt(registry)
    expect(asked).toContain('mail_199')
  })
})
