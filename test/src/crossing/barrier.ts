/** Lets nobody on before so many have arrived; then starts anew. */
export function createBarrier(count: number): { arrive(): Promise<void> } {
  let gate = Promise.withResolvers<void>()
  let missing = count
  return {
    async arrive() {
      const { promise, resolve } = gate
      missing -= 1
      if (missing === 0) {
        gate = Promise.withResolvers()
        missing = count
        resolve()
      }
      await promise
    },
  }
}
