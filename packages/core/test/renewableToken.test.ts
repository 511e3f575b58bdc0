import { describe, expect, it } from 'vitest'
import { createRenewableToken } from '../src/http/renewableToken.ts'
import { ManualTiming } from '../src/testing/manualTiming.ts'

/** A token whose fetches end when the test says so: `answer` gives the token of that number to who asked for it. */
function setup() {
  const fetches: PromiseWithResolvers<void>[] = []
  const token = createRenewableToken(async () => {
    const fetching = Promise.withResolvers<void>()
    const number = fetches.push(fetching)
    await fetching.promise
    return { value: `t${number}`, expiresInMs: 3_600_000 }
  }, new ManualTiming())
  return { token, fetches, answer: (number: number) => fetches[number - 1]?.resolve() }
}

describe('createRenewableToken', () => {
  it('fetches one token for all who ask before it is there, and after', async () => {
    const { token, fetches, answer } = setup()
    const asked = [token.get(), token.get()]
    answer(1)
    expect(await Promise.all([...asked, token.get()])).toEqual(['t1', 't1', 't1'])
    expect(fetches).toHaveLength(1)
  })

  it.each([
    ['before', [1, 2]],
    ['after', [2, 1]],
  ])(
    'gives nobody who asks after it was forgotten the token that was under way then, and which comes %s the next',
    async (_when, order) => {
      const { token, fetches, answer } = setup()
      const before = token.get()
      token.forget()
      const after = token.get()
      const asked = { 1: before, 2: after }
      for (const number of order) {
        answer(number)
        await asked[number === 1 ? 1 : 2]
      }
      expect(await Promise.all([before, after, token.get()])).toEqual(['t1', 't2', 't2'])
      expect(fetches).toHaveLength(2)
    },
  )
})
