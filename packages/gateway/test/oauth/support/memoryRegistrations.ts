import type { Registration, RegistrationKey, RegistrationStore } from '../../../src/store/store.ts'

/** The contract of `RegistrationStore` without a database. */
export function createMemoryRegistrations(): RegistrationStore & { readonly kept: ReadonlyMap<string, Registration> } {
  const kept = new Map<string, Registration>()
  return {
    kept,
    get: async (key) => kept.get(keyOf(key)),
    async put(key, registration) {
      const winner = kept.get(keyOf(key)) ?? registration
      kept.set(keyOf(key), winner)
      return winner
    },
    async remove(key, clientId) {
      if (kept.get(keyOf(key))?.clientId === clientId) kept.delete(keyOf(key))
    },
  }
}

function keyOf({ issuer, redirectUri }: RegistrationKey): string {
  return JSON.stringify([issuer, redirectUri])
}
