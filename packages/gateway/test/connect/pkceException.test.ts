import { expect, it } from 'vitest'
import { createConnect } from '../../src/connect/connect.ts'
import type { AuditEntry } from '../../src/domain.ts'
import { startWorld } from '../oauth/support/world.ts'

it('T27: writes into the audit log that a sign-in began at a provider that does not say that it knows PKCE', async () => {
  const world = await startWorld({
    auth: {
      type: 'oauth2',
      clientId: 'me',
      authorizationEndpoint: 'https://as.example/authorize',
      tokenEndpoint: 'https://as.example/token',
      allowMissingPkceMetadata: true,
    },
  })
  const entries: AuditEntry[] = []
  const app = createConnect({
    ...world,
    publicUrl: world.origin,
    appName: 'Acme Agent',
    verifyCredential: async () => 'accepted',
    audit: { record: async (entry) => void entries.push(entry) },
  })
  const { url } = world.newLink()
  const page = await app.request(url)
  const [, csrfToken = ''] = /name="csrf_token" value="([^"]+)"/.exec(await page.text()) ?? []
  const response = await app.request(url, {
    method: 'POST',
    headers: {
      cookie: page.headers.getSetCookie().join('; ').split(';')[0] ?? '',
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ csrf_token: csrfToken }).toString(),
  })
  expect(response.headers.get('location')).toMatch(/^https:\/\/as\.example\/authorize\?.*code_challenge_method=S256/)
  expect(entries).toMatchObject([{ action: 'consent.begun', details: { reason: 'pkce-not-advertised' } }])
})
