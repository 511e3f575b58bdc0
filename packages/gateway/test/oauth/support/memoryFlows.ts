import type { AuthFlow, FlowStore } from '../../../src/store/store.ts'

export interface MemoryFlows extends FlowStore {
  /** What a thief of the database would see. */
  readonly kept: ReadonlyMap<string, AuthFlow>
  /** Answers the next finds only when this many have come: everybody has looked before anybody consumes. */
  gatherFinds(count: number): void
  /** From now on the links of new flows are gone. */
  loseLink(): void
}

/** The contract of `FlowStore` without a database. */
export function createMemoryFlows(): MemoryFlows {
  const kept = new Map<string, AuthFlow>()
  let isLinkLost = false
  const gathering = { missing: 0, ...Promise.withResolvers<void>() }
  return {
    kept,
    loseLink() {
      isLinkLost = true
    },
    async create(flow) {
      if (isLinkLost) return false
      kept.set(flow.stateHash, { ...flow, consumed: false })
      return true
    },
    gatherFinds(count) {
      Object.assign(gathering, { missing: count, ...Promise.withResolvers<void>() })
    },
    async find(stateHash) {
      const flow = kept.get(stateHash)
      if (gathering.missing > 0) {
        gathering.missing -= 1
        if (gathering.missing === 0) gathering.resolve()
        await gathering.promise
      }
      return flow
    },
    async consume(stateHash) {
      const flow = kept.get(stateHash)
      if (!flow || flow.consumed) return false
      kept.set(stateHash, { ...flow, consumed: true })
      return true
    },
  }
}
