import { describe, expect, it } from 'vitest'
import type { AuditRow } from '../../src/domain.ts'
import type { Store } from '../../src/store/store.ts'

const AT = new Date('2026-07-28T10:00:00.000Z')
const LATER = new Date(AT.getTime() + 60_000)

/** Who did what. */
export function describeAudit(store: () => Store): void {
  describe('audit', () => {
    it('gives back what was written, the newest first', async () => {
      const full: AuditRow = {
        occurredAt: LATER,
        actor: 'app',
        action: 'session_token.issued',
        outcome: 'refused',
        userIdentifier: '__proto__',
        connectionId: 'conn_1',
        configId: 'cfg_1',
        instanceId: 'ins_1',
        accountId: 'ca_1',
        requestId: 'r',
        address: '192.0.2.1',
        details: { tools: ['a'], count: 2 },
      }
      await store().audit.append([aRow({ actor: 'first' }), full])
      const [newest, oldest] = await store().audit.list({ limit: 10 })
      expect(newest).toMatchObject(full)
      expect(oldest).toMatchObject({ actor: 'first', outcome: 'ok', userIdentifier: undefined, details: undefined })
      expect(newest?.sequence).toBeGreaterThan(oldest?.sequence ?? Number.NaN)
    })

    it('writes nothing where there is nothing to write', async () => {
      await store().audit.append([])
      expect(await store().audit.list({ limit: 10 })).toEqual([])
    })

    it('pages both ways, from the newest to the oldest', async () => {
      await store().audit.append(['a', 'b', 'c', 'd'].map((actor) => aRow({ actor })))
      const page = async (place: { after?: string; before?: string }) =>
        await store().audit.list({ ...place, limit: 2 })
      const first = await page({})
      const second = await page({ after: String(first[1]?.sequence) })
      const back = await page({ before: String(second[0]?.sequence) })
      expect([first, second, back].map((rows) => rows.map(({ actor }) => actor).join(''))).toEqual(['dc', 'ba', 'dc'])
    })

    it('filters by user, action, actor and time, each exactly', async () => {
      await store().audit.append([
        aRow({ userIdentifier: 'a', action: 'x.y' }),
        aRow({ userIdentifier: 'A', action: 'x.y', actor: 'app' }),
        aRow({ userIdentifier: 'a', action: 'x.z', occurredAt: LATER }),
      ])
      const found = async (filter: object) => (await store().audit.list({ ...filter, limit: 10 })).length
      expect(await found({ userIdentifier: 'a' })).toBe(2)
      expect(await found({ userIdentifier: 'a', action: 'x.y' })).toBe(1)
      expect(await found({ actor: 'app' })).toBe(1)
      expect(await found({ since: LATER })).toBe(1)
      expect(await found({ until: LATER })).toBe(2)
    })

    it('forgets what is older, so many at a time', async () => {
      await store().audit.append([aRow({}), aRow({}), aRow({}), aRow({ occurredAt: LATER })])
      expect(await store().audit.forget(LATER, 2)).toBe(2)
      expect(await store().audit.forget(LATER, 2)).toBe(1)
      expect(await store().audit.forget(LATER, 2)).toBe(0)
      expect(await store().audit.list({ limit: 10 })).toHaveLength(1)
    })
  })
}

function aRow(row: Partial<AuditRow>): AuditRow {
  return { occurredAt: AT, actor: 'system', action: 'test.done', outcome: 'ok', ...row }
}
