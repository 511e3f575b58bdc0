import { afterEach } from 'vitest'

const pending: (() => Promise<unknown>)[] = []

/** Closes something after the test that made it. */
export function closeAfterTest<T extends { close(): Promise<unknown> }>(closable: T): T {
  pending.push(() => closable.close())
  return closable
}

afterEach(async () => {
  await Promise.all(pending.splice(0).map((close) => close()))
})
