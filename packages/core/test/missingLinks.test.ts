import { describe, expect, it } from 'vitest'
import { ConnectionState } from '../src/readiness/connectionState.ts'
import { MissingLinks } from '../src/readiness/missingLinks.ts'
import { ManualTiming } from '../src/testing/manualTiming.ts'

const mailOf = (user: number) =>
  new ConnectionState({
    connectionId: 'mail',
    connectionName: 'mail',
    status: 'PENDING_AUTH',
    authenticationLink: `https://gateway.test/connect/${user}`,
  })

describe('MissingLinks', () => {
  // Regression: one callback for all users was remembered with each link of each of them, for ever.
  it('remembers no more than 10,000 links that a callback was shown', () => {
    const links = new MissingLinks(new ManualTiming())
    const shown = new Map<string | undefined, number>()
    const show = ([state]: readonly ConnectionState[]) => {
      const link = state?.authenticationLink
      shown.set(link, (shown.get(link) ?? 0) + 1)
    }
    const showTo = (user: number) => links.show(show, `ins_${user}`, [mailOf(user)])
    const timesOf = (user: number) => shown.get(mailOf(user).authenticationLink)
    for (let user = 0; user < 10_000; user += 1) showTo(user)
    showTo(0)
    expect([timesOf(0), shown.size]).toEqual([1, 10_000])
    showTo(10_000)
    showTo(0)
    showTo(10_000)
    expect([timesOf(0), timesOf(10_000)]).toEqual([2, 1])
  })
})
