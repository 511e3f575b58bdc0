import { randomBytes } from 'node:crypto'
import type { Connection, ConnectionAuth } from '../../../src/domain.ts'
import { createGuardedFetch } from '../../../src/http/guardedFetch.ts'
import type { KeyRing } from '../../../src/keys/keyRing.ts'
import { createKeys } from '../../../src/keys/keys.ts'
import { createOAuth } from '../../../src/oauth/oauth.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { closeAfterTest } from './cleanup.ts'
import { createMemoryRegistrations } from './memoryRegistrations.ts'

/** A clock that stands still until a test moves it. */
export interface TestClock {
  (): number
  advance(milliseconds: number): void
}

export function createTestClock(): TestClock {
  // Not before the real time: the authorization server and the token library look at the real clock.
  let now = Date.now()
  return Object.assign(() => now, {
    advance(milliseconds: number) {
      now += milliseconds
    },
  })
}

function createRing(): KeyRing {
  return { currentId: 'k1', keys: new Map([['k1', new Uint8Array(randomBytes(32))]]) }
}

export function connectionTo(mcpServerUrl: string, auth: ConnectionAuth = { type: 'oauth2' }): Connection {
  return { id: 'conn_mail', name: 'mail', displayName: 'Acme Mail', provider: 'acme-mail', mcpServerUrl, auth }
}

/** The real parts on which the protocol stands. */
export function createParts(publicUrl = 'http://127.0.0.1:9') {
  const clock = createTestClock()
  const vault = createVault(createRing())
  const registrations = createMemoryRegistrations()
  const fetch = closeAfterTest(createGuardedFetch({ allowLoopback: true }))
  const keys = createKeys(createRing(), { publicUrl: new URL(publicUrl), clock })
  return {
    clock,
    vault,
    registrations,
    fetch,
    keys,
    oauth: createOAuth({ fetch, registrations, vault, publicUrl, clock }),
  }
}
