import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createLatchkey, latchkeyGateway, scalekit, type Backend } from '../src/index.ts'
import { CLIENT_ID, CONFIG } from './fixtures/scriptedControlPlane.ts'
import { failureOf, setup } from './fixtures/setup.ts'

const AUTH_STATE = /:get_auth_state$/
const ENSURE = /^POST \/api\/v1\/mcp\/instances$/

describe('pending', () => {
  it('gives undefined when nothing is pending', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('u1', 'mail', 'ACTIVE')
    expect(await latchkey.pending('u1')).toBeUndefined()
  })

  it('gives the links and a handle without a secret in it, and waits for nothing', async () => {
    const { plane, latchkey, timing } = await setup()
    const pending = await latchkey.pending('u1')
    expect(pending?.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    const handle = pending?.handle ?? ''
    const readable = handle + Buffer.from(handle.replace('lkpending_', ''), 'base64url').toString()
    expect(readable).toContain('u1')
    for (const secret of plane.mintedSecrets) expect(readable).not.toContain(secret)
    expect(timing.pending).toBe(0)
  })
})

describe('resume', () => {
  it('goes on with the wait in another process, for the same user and requirement', async () => {
    const { plane, latchkey, timing } = await setup({ connections: ['mail', 'calendar'], toolNames: ['mail__search'] })
    const pending = await latchkey.pending('u1', { require: ['mail'] })
    await latchkey.close()
    // The same credentials, and nothing else of the first.
    const other = createLatchkey({ url: plane.url, clientId: CLIENT_ID, clientSecret: 'canary-client-secret', timing })
    onTestFinished(() => other.close())
    const ensured = plane.count(ENSURE)
    const resumed = other.resume(pending?.handle ?? '')
    await plane.answered(ENSURE, ensured + 2)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const endpoint = await resumed
    expect([endpoint.userIdentifier, endpoint.config]).toEqual(['u1', CONFIG])
    expect(endpoint.missing.map(({ connectionName }) => connectionName)).toEqual(['calendar'])
  })

  it('makes no links when nobody is there to show them', async () => {
    const { plane, latchkey } = await setup()
    const pending = await latchkey.pending('u1')
    const resumed = latchkey.resume(pending?.handle ?? '')
    await plane.answered(AUTH_STATE, 2)
    expect(plane.requests.at(-1)?.body).not.toContain('true')
    await plane.seen(/events/)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await resumed
    const minted = plane.requests.filter(({ body }) => body.includes('"include_auth_links":true'))
    expect(minted).toHaveLength(1)
  })

  it('makes links anew when somebody is there to show them', async () => {
    const { plane, latchkey } = await setup()
    const pending = await latchkey.pending('u1')
    const shown = Promise.withResolvers<string | undefined>()
    const resumed = latchkey.resume(pending?.handle ?? '', {
      onAuthorizationRequired: ([state]) => shown.resolve(state?.authenticationLink),
    })
    expect(await shown.promise).not.toBe(pending?.connections[0]?.authenticationLink)
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await resumed
  })

  it('ends at its deadline with what is missing, and can be called again', async () => {
    const { plane, latchkey, timing } = await setup()
    const { handle = '' } = (await latchkey.pending('u1')) ?? {}
    const first = latchkey.resume(handle, { timeoutMs: 4_000 })
    first.catch(() => {})
    await timing.timerOf(5_000)
    timing.advance(4_000)
    expect((await failureOf(first)).code).toBe('authorization_timeout')
    while (plane.openStreams > 0) await once(plane.events, 'stream closed')
    plane.setStatus('u1', 'mail', 'ACTIVE')
    await expect(latchkey.resume(handle)).resolves.toMatchObject({ userIdentifier: 'u1' })
  })

  it('refuses a handle that was changed, made up, or made with other credentials', async () => {
    const { plane, latchkey } = await setup()
    const { handle = '' } = (await latchkey.pending('u1')) ?? {}
    const [content = '', signature = ''] = handle.split('.')
    const forged = Buffer.from(content.slice('lkpending_'.length), 'base64url').toString().replace('u1', 'u2')
    const stranger = createLatchkey({ url: plane.url, clientId: CLIENT_ID, clientSecret: 'another' })
    onTestFinished(() => stranger.close())
    const requests = plane.requests.length
    for (const made of [
      `lkpending_${Buffer.from(forged).toString('base64url')}.${signature}`,
      content,
      `${handle}x`,
      `.${signature}`,
      '',
    ]) {
      expect((await failureOf(latchkey.resume(made))).code).toBe('rejected')
    }
    expect((await failureOf(stranger.resume(handle))).code).toBe('rejected')
    expect(plane.requests).toHaveLength(requests)
  })

  it("refuses another user's handle when it is told who is signed in", async () => {
    const { plane, latchkey } = await setup()
    const { handle = '' } = (await latchkey.pending('u1')) ?? {}
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const error = await failureOf(latchkey.resume(handle, { userIdentifier: 'u2' }))
    expect(error.code).toBe('rejected')
    await expect(latchkey.resume(handle, { userIdentifier: 'u1' })).resolves.toMatchObject({ userIdentifier: 'u1' })
  })

  it.each(['latchkeyGateway', 'scalekit'])('knows the handles that %s has signed in another process', async (name) => {
    const credentials = {
      url: 'https://a.example',
      environmentUrl: 'https://a.example',
      clientId: 'c',
      clientSecret: 's',
    }
    const program = `import { ${name} } from '@latchkey/core'
      process.stdout.write(${name}(${JSON.stringify(credentials)}).sign('a wait'))`
    const args = ['--conditions=@latchkey/source', '--no-warnings', '--input-type=module', '--eval', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
    const here = name === 'scalekit' ? scalekit(credentials) : latchkeyGateway(credentials)
    expect(stdout).toBe(here.sign?.('a wait'))
  })

  it('says so when the backend has no handles', async () => {
    const backend: Backend = {
      name: 'plain',
      identity: 'plain',
      ensureInstance: () => Promise.reject(new Error('is not asked')),
      getAuthState: async () => [],
      createSessionToken: () => Promise.reject(new Error('is not asked')),
      close: async () => {},
    }
    const latchkey = createLatchkey({ backend, config: CONFIG })
    expect((await failureOf(latchkey.pending('u1'))).message).toContain('the plain has no pending handles')
  })
})

describe('readyMany', () => {
  it('says once of each user what came of it, and waits for nobody', async () => {
    const { plane, latchkey } = await setup({}, { graceMs: 0 })
    for (const user of ['a', 'b', 'dead']) plane.setStatus(user, 'mail', 'ACTIVE')
    plane.inject(ENSURE, async (request) =>
      (await request.clone().text()).includes('dead') ? new Response('no', { status: 500 }) : undefined,
    )
    const report = await latchkey.readyMany(['a', 'b', 'c', 'a', 'dead', ''], { concurrency: 2 })
    expect(report.ready.map(({ userIdentifier }) => userIdentifier).toSorted()).toEqual(['a', 'b'])
    expect(report.pending.map(({ userIdentifier }) => userIdentifier)).toEqual(['c'])
    expect(report.pending[0]?.connections[0]?.authenticationLink).toMatch(/\/connect\//)
    const failed = report.failed.map(({ userIdentifier, error }) => `${userIdentifier}: ${error.code}`)
    expect(failed.toSorted()).toEqual([': invalid_user_identifier', 'dead: unavailable'])
  })

  it('has no more users under way than it may', async () => {
    const { plane, latchkey } = await setup()
    const users = Array.from({ length: 12 }, (_, index) => `user-${index}`)
    for (const user of users) plane.setStatus(user, 'mail', 'ACTIVE')
    let [now, most] = [0, 0]
    const three = plane.seen(ENSURE, 3)
    plane.inject(ENSURE, async () => {
      now += 1
      most = Math.max(most, now)
      await three
      await new Promise((resolve) => setImmediate(resolve))
      now -= 1
      return undefined
    })
    const { ready } = await latchkey.readyMany(users, { concurrency: 3 })
    expect(ready).toHaveLength(12)
    expect(most).toBe(3)
  })

  it.each([0, 1.5, Number.NaN])("refuses a concurrency of %d as a caller's mistake", async (concurrency) => {
    const { latchkey } = await setup()
    await expect(latchkey.readyMany(['a'], { concurrency })).rejects.toThrow(TypeError)
  })
})
