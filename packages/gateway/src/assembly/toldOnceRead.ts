import type { ReloadingRegistry } from '../config/registry.ts'
import { createChanges } from '../events/changes.ts'
import type { LogSink } from '../http/requestLog.ts'
import type { Changes } from '../services.ts'

export interface ToldOnceReadOptions {
  readonly changes: Changes
  readonly registry: Pick<ReloadingRegistry, 'reload'>
  readonly log?: LogSink | undefined
}

/** The same changes; but whoever is told here that a connection has changed finds it as it is now. */
export function toldOnceRead({ changes, registry, log }: ToldOnceReadOptions): { changes: Changes; close: () => void } {
  const told = createChanges({ log })
  const close = changes.subscribe((change) => {
    const tell = (): void => told.announce(change)
    if (change.kind !== 'connection') return tell()
    // That it cannot be read the registry says itself; what it knew before is all there is then.
    void registry.reload().then(tell, tell)
  })
  return { changes: told, close }
}
