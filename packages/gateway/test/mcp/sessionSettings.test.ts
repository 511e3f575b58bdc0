import { describe, expect, it } from 'vitest'
import type { McpConfig } from '../../src/domain.ts'
import { createKeys } from '../../src/keys/keys.ts'
import type { Principal } from '../../src/mcp/authenticate.ts'
import { createLegacySession, readLegacySession } from '../../src/mcp/legacySession.ts'
import { createSessionSettings } from '../../src/mcp/sessionSettings.ts'
import { aRing } from '../keys/ring.ts'

const KIB = 1024
const keys = createKeys(aRing(['k1', 2]), { publicUrl: new URL('http://127.0.0.1:1'), clock: () => 0 })

function principalOf(userIdentifier: string): Principal {
  const times = { createdAt: new Date(0), updatedAt: new Date(0) }
  const config: McpConfig = {
    id: 'cfg',
    name: 'c',
    description: undefined,
    mappings: [],
    toolNames: undefined,
    ...times,
  }
  const unlimited = { tools: undefined, accountIds: undefined, expiresAt: undefined }
  const again = () => Promise.resolve(principal)
  const asOf = { configId: 'cfg', epoch: 0 }
  const principal: Principal = { config, userIdentifier, instanceId: 'ins', ...unlimited, asOf, since: 0, again }
  return principal
}

const open = (user: string) => createLegacySession(keys, principalOf(user), {})

describe('createSessionSettings', () => {
  it('lets no user push out what the clients of another have set, however many sessions there are', () => {
    const settings = createSessionSettings()
    const [own, ...others] = Array.from({ length: 1_001 }, () => open('mallory'))
    const ada = open('ada')
    settings.setLogLevel(ada, 'debug')
    settings.subscribe(ada, 'x://news')
    settings.setLogLevel(own ?? '', 'debug')
    for (const session of others) settings.subscribe(session, `x://${'x'.repeat(60 * KIB)}`)
    expect(settings.of(ada)).toEqual({ logLevel: 'debug', uris: new Set(['x://news']) })
    expect(settings.of(own ?? '').logLevel).toBeUndefined()
  })

  it('keeps no more than so much of all users together', () => {
    const settings = createSessionSettings()
    const sessions = Array.from({ length: 400 }, (_, index) => open(`user ${index}`))
    for (const session of sessions) settings.subscribe(session, `x://${'x'.repeat(60 * KIB)}`)
    const kept = sessions.filter((session) => settings.of(session).uris.size > 0)
    expect(kept.length).toBeLessThan(300)
    expect(kept.at(-1)).toBe(sessions.at(-1))
  })

  it('keeps the settings of one client apart from those of another client of its user', () => {
    const settings = createSessionSettings()
    const [one, other] = [open('ada'), open('ada')]
    settings.setLogLevel(one, 'alert')
    expect([settings.of(one).logLevel, settings.of(other).logLevel]).toEqual(['alert', undefined])
  })
})

describe('createLegacySession', () => {
  it('makes an id for its user alone, which does not name the user', () => {
    const id = open('ada@example.com')
    expect(id).toMatch(/^[\x21-\x7e]+$/)
    expect(readLegacySession(keys, principalOf('ada@example.com'), id)).toEqual({ id, capabilities: '' })
    expect(readLegacySession(keys, principalOf('grace'), id)).toBeUndefined()
    expect(id).not.toContain('ada')
  })
})
