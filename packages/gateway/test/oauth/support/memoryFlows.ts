import type { AuthFlow, FlowStore } from '../../../src/store/store.ts'

/** The contract of `FlowStore` without a database. `kept` is what a thief of the database would see. */
export function createMemoryFlows(): FlowStore & { readonly kept: ReadonlyMap<string, AuthFlow> } {
  const kept = new Map<string, AuthFlow>()
  return {
    kept,
    async create(flow) {
      kept.set(flow.stateHash, { ...flow, consumed: false })
    },
    find: async (stateHash) => kept.get(stateHash),
    async consume(stateHash) {
      const flow = kept.get(stateHash)
      if (!flow || flow.consumed) return false
      kept.set(stateHash, { ...flow, consumed: true })
      return true
    },
  }
}
