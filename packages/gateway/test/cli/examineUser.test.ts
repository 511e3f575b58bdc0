import type { DiagnosedConnection } from '@latchkey/core'
import { describe, expect, it } from 'vitest'
import { examineUser } from '../../src/cli/doctor/examineUser.ts'

const NOW = new Date('2026-07-28T10:00:00.000Z')
const at = (hours: number) => new Date(NOW.getTime() + hours * 3_600_000)

const ACTIVE: DiagnosedConnection = {
  connectionName: 'mail',
  status: 'ACTIVE',
  statusChangedAt: NOW,
  credential: undefined,
  refresh: undefined,
  unavailable: undefined,
  tools: [],
}

/** What is said of one connection, besides that all is well. */
function examine(connection: Partial<DiagnosedConnection>) {
  const configs = [{ configName: 'agent', hasInstance: true, connections: [{ ...ACTIVE, ...connection }] }]
  const findings = examineUser({ userIdentifier: 'ann', lastEventAt: NOW, configs }, NOW)
  return findings.filter(({ level }) => level === 'problem' || level === 'warning')
}

describe('examineUser', () => {
  it.each([
    ['ends soon', at(5), 'warning', /ends at 2026-07-28T15:00:00\.000Z and cannot be renewed/],
    ['has ended', at(-1), 'problem', /ended at 2026-07-28T09:00:00\.000Z, and no way to renew it/],
  ])('finds a credential without a refresh token that %s', (_what, expiresAt, level, message) => {
    const [finding] = examine({ credential: { type: 'oauth2', expiresAt, isRenewable: false } })
    expect(finding).toMatchObject({ check: 'connection.credential', level, subject: 'mail' })
    expect(finding?.message).toMatch(message)
    expect(finding?.advice).toContain('offline access')
  })

  it('finds nothing in a credential that can be renewed, or ends later', () => {
    expect(examine({ credential: { type: 'oauth2', expiresAt: at(-1), isRenewable: true } })).toEqual([])
    expect(examine({ credential: { type: 'oauth2', expiresAt: at(72), isRenewable: false } })).toEqual([])
  })

  it('finds a credential that no key opens', () => {
    expect(examine({ credential: { type: 'unreadable', expiresAt: undefined, isRenewable: false } })).toMatchObject([
      { check: 'connection.credential', level: 'problem', message: expect.stringContaining('no key opens') },
    ])
  })

  it.each([
    ['PENDING_AUTH', 'latchkey connect ann'],
    ['PENDING_VERIFICATION', 'verifyUser'],
    ['EXPIRED', 'consent again'],
    ['DISCONNECTED', 'removed on purpose'],
    ['A_NEW_ONE', 'older than the gateway'],
  ])('says what to do about a connection that is %s', (status, advice) => {
    expect(examine({ status })).toMatchObject([{ check: 'connection.status', advice: expect.stringContaining(advice) }])
  })

  it('prints nothing that a terminal would obey', () => {
    const [finding] = examine({ unavailable: { reason: 'unreachable', message: 'gone\u001b[2J' } })
    expect(finding?.message).not.toContain('\u001b')
  })
})
