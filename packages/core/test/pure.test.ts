import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatchkeyError, sharedLatchkey } from '../src/index.ts'
import { SingleFlight } from '../src/timing/singleFlight.ts'
import { encodeSessionKey } from '../src/session/sessionPool.ts'
import { safeToolNames } from '../src/tools/safeToolNames.ts'

describe('safeToolNames', () => {
  const names = fc.uniqueArray(
    fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.constantFrom('a', 'a_b', 'a.b', '1', '-a', ''),
    ),
    {
      maxLength: 30,
    },
  )

  it('gives every tool a safe name that no other has, whatever the names', () => {
    fc.assert(
      fc.property(names, (mcpNames) => {
        const safe = [...safeToolNames(mcpNames).values()]
        for (const name of safe) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/)
        expect(new Set(safe).size).toBe(safe.length)
        expect(safe).toHaveLength(mcpNames.length)
      }),
    )
  })

  it('names a tool the same, whichever others there are', () => {
    fc.assert(
      fc.property(names, (mcpNames) => {
        const together = safeToolNames(mcpNames)
        for (const mcpName of mcpNames) expect(safeToolNames([mcpName]).get(mcpName)).toBe(together.get(mcpName))
      }),
    )
  })

  it('leaves a safe name as it is', () => {
    expect(safeToolNames(['search_mail', 'a'.repeat(64)])).toEqual(
      new Map([
        ['search_mail', 'search_mail'],
        ['a'.repeat(64), 'a'.repeat(64)],
      ]),
    )
  })
})

describe('encodeSessionKey', () => {
  it('gives two keys that differ two strings', () => {
    const part = fc.string({ maxLength: 4, unit: fc.constantFrom('a', '"', ',', '\\', '[', ']', '\u0000') })
    const key = fc.record({
      backendIdentity: part,
      userIdentifier: part,
      configName: part,
      endpointUrl: part,
      credentialKind: part,
      scope: part,
    })
    fc.assert(
      fc.property(key, key, (a, b) => {
        const same = Object.entries(a).every(([name, value]) => Reflect.get(b, name) === value)
        expect(encodeSessionKey(a) === encodeSessionKey(b)).toBe(same)
      }),
    )
  })
})

describe('SingleFlight', () => {
  it('aborts the work when the last caller has left, and not before', async () => {
    const flights = new SingleFlight<never>()
    const [a, b] = [new AbortController(), new AbortController()]
    let shared: AbortSignal | undefined
    const work = (signal: AbortSignal) => {
      shared = signal
      return new Promise<never>(() => {})
    }
    const calls = [flights.run('k', a.signal, work), flights.run('k', b.signal, work)].map((call) =>
      call.catch(() => 'left'),
    )
    a.abort()
    await calls[0]
    expect(shared?.aborted).toBe(false)
    b.abort()
    await calls[1]
    expect(shared?.aborted).toBe(true)
  })

  it('does the work again after a failure', async () => {
    const flights = new SingleFlight<string>()
    await expect(
      flights.run('k', undefined, () => Promise.reject(new LatchkeyError('unavailable', 'down'))),
    ).rejects.toThrow('down')
    await expect(flights.run('k', undefined, async () => 'up')).resolves.toBe('up')
  })
})

describe('sharedLatchkey', () => {
  it('is the same for the same options and another for others', () => {
    const options = { url: 'https://g.example', clientId: 'a', clientSecret: 'b', env: {} }
    expect(sharedLatchkey(options)).toBe(sharedLatchkey({ ...options }))
    expect(sharedLatchkey(options)).not.toBe(sharedLatchkey({ ...options, clientSecret: 'c' }))
    expect(sharedLatchkey({ env: { ...environment, LATCHKEY_URL: 'https://one.example' } })).not.toBe(
      sharedLatchkey({ env: { ...environment, LATCHKEY_URL: 'https://two.example' } }),
    )
  })

  it('is a new one when the last one was closed', async () => {
    const options = { url: 'https://closed.example', clientId: 'a', clientSecret: 'b', env: {} }
    const closed = sharedLatchkey(options)
    await closed.close()
    const next = sharedLatchkey(options)
    expect(next).not.toBe(closed)
    await closed.close()
    expect(sharedLatchkey(options)).toBe(next)
  })
})

const environment = { LATCHKEY_CLIENT_ID: 'a', LATCHKEY_CLIENT_SECRET: 'b' }
