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
    const { latchkey } = open({ fail: () => new LatchkeyError('unavailable', 'not today') })
    expect((await failureOf(latchkey.ready('user_123'))).message).toBe('not today')
  })
})
