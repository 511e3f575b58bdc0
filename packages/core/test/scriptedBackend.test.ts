import { describe, expect, it, onTestFinished } from 'vitest'
import { createLatchkey, LatchkeyError } from '../src/index.ts'
import { createScriptedBackend, type ScriptedBackendOptions } from '../src/testing/scriptedBackend.ts'
import { ManualTiming } from '../src/testing/manualTiming.ts'
import { failureOf } from './fixtures/setup.ts'

function open(options: ScriptedBackendOptions = {}) {
  const timing = new ManualTiming()
  const backend = createScriptedBackend({ timing, ...options })
  const latchkey = createLatchkey({ backend, fetch: backend.fetch, timing, env: {} })
  onTestFinished(() => latchkey.close())
  return { timing, backend, latchkey }
}

describe('createScriptedBackend', () => {
  it('goes through its timeline when time passes, and wakes those who wait', async () => {
    const { timing, backend, latchkey } = open({
      connections: ['mail', 'calendar'],
      timeline: [
        { afterMs: 1_000, connection: 'mail', status: 'ACTIVE' },
        { afterMs: 2_000, connection: 'calendar', status: 'ACTIVE' },
      ],
      tools: { whoami: (_args, { userIdentifier }) => `I am ${userIdentifier}` },
    })
    const shown = Promise.withResolvers<void>()
    const ready = latchkey.userTools('user_123', { onAuthorizationRequired: () => shown.resolve() })
    await shown.promise
    timing.advance(2_000)
    const { tools } = await ready
    expect(await tools[0]?.call({})).toMatchObject({ content: [{ type: 'text', text: 'I am user_123' }] })
    expect(backend.toolCalls).toEqual(['user_123 whoami'])
    expect(backend.calls.filter(({ method }) => method === 'getAuthLinks')).toHaveLength(1)
  })

  it('fails as it is told', async () => {
    const { latchkey } = open({
      before() {
        throw new LatchkeyError('unavailable', 'not today')
      },
    })
    expect((await failureOf(latchkey.ready('user_123'))).message).toBe('not today')
  })

  it('is as slow as it is told, and ends with the deadline of whoever asks', async () => {
    const asked = Promise.withResolvers<void>()
    const { latchkey, timing } = open({
      before() {
        asked.resolve()
        return new Promise(() => {})
      },
    })
    const ready = latchkey.ready('user_123', { timeoutMs: 1_000 })
    await asked.promise
    timing.advance(1_000)
    expect((await failureOf(ready)).code).toBe('timeout')
  })

  it('can be made to lie, and is not believed', async () => {
    const honest = createScriptedBackend()
    const ensureInstance: typeof honest.ensureInstance = async ({ configName }) =>
      await honest.ensureInstance({ configName, userIdentifier: 'somebody else' })
    await using latchkey = createLatchkey({ backend: { ...honest, ensureInstance }, fetch: honest.fetch, env: {} })
    expect((await failureOf(latchkey.ready('user_123'))).code).toBe('invalid_response')
  })

  it('stops serving, and ends tokens, as it is told', async () => {
    const { backend, latchkey, timing } = open()
    backend.setStatus('user_123', 'mail', 'ACTIVE')
    const { tools } = await latchkey.userTools('user_123')
    backend.endSessionTokens()
    await tools[0]?.call({})
    backend.serveStatus(503)
    backend.setStatus('another', 'mail', 'ACTIVE')
    expect((await failureOf(timing.passing(latchkey.ready('another')))).code).toBe('not_ready')
  })
})
