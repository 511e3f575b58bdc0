import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Replicas, startReplicas } from './fixtures/replicas/startReplicas.ts'

const HOUR = 3_600_000

describe('three gateway processes on one Postgres', () => {
  let replicas: Replicas
  beforeAll(async () => {
    replicas = await startReplicas()
  })
  afterAll(async () => await replicas[Symbol.asyncDispose]())

  it('T63: make one token call for hundreds of calls on an expired grant, round after round', async () => {
    const { all, provider, connect, advance } = replicas
    const { url } = await connect('ann')
    for (let round = 1; round <= 5; round += 1) {
      await advance(2 * HOUR)
      const before = provider.counts.refreshes
      const calls = Array.from({ length: 300 }, (_, index) => all[index % all.length]!.call(url))
      const results = await Promise.all(calls)
      expect(results.filter(({ isDone }) => !isDone)).toEqual([])
      expect(provider.counts.refreshes - before).toBe(1)
    }
    expect(provider.counts.reuses).toBe(0)
  })
})
