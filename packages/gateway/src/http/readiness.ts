/** One check: throws, or takes too long, where something does not work. */
export type Check = () => Promise<unknown>

export interface ReadinessOptions {
  readonly checks: Readonly<Record<string, Check>>
  /** What is told, but no reason to send requests elsewhere. */
  readonly hints?: Readonly<Record<string, () => boolean>>
  readonly isDraining: () => boolean
  /** How long one check may take, in milliseconds. Default 2,000. */
  readonly timeoutMs?: number
}

/** What does not work is named; why is for the log of whoever runs the gateway, not for whoever asks. */
export type Readiness = () => Promise<{
  readonly isReady: boolean
  readonly checks: Readonly<Record<string, 'ok' | 'failed'>>
}>

/** Whether requests should be sent here. Asked anew each time, once for all who ask meanwhile. */
export function createReadiness({ checks, hints = {}, isDraining, timeoutMs = 2000 }: ReadinessOptions): Readiness {
  let asking: ReturnType<Readiness> | undefined

  async function ask(): ReturnType<Readiness> {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await passes(check, timeoutMs)] as const),
    )
    const told = Object.entries(hints).map(([name, hint]) => [name, hint()] as const)
    const drained = ['accepting', !isDraining()] as const
    const isReady = [...results, drained].every(([, isOk]) => isOk)
    const words = [...results, ...told, drained].map(([name, isOk]) => [name, isOk ? 'ok' : 'failed'] as const)
    return { isReady, checks: Object.fromEntries(words) }
  }

  return async () => {
    asking ??= ask().finally(() => (asking = undefined))
    const { isReady, checks: found } = await asking
    // It may have begun to drain since.
    return isDraining() ? { isReady: false, checks: { ...found, accepting: 'failed' } } : { isReady, checks: found }
  }
}

async function passes(check: Check, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, timeoutMs, false)
  check().then(
    () => resolve(true),
    () => resolve(false),
  )
  return await promise.finally(() => clearTimeout(timer))
}
