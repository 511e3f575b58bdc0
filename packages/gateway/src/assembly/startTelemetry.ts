import type { Closers } from '../closers.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { openTelemetry } from '../telemetry/openTelemetry.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { version } from '../version.ts'

/** Traces and metrics where they are asked for; else nothing, which costs nothing. */
export async function startTelemetry({ telemetry: settings }: ParsedOptions, closers: Closers) {
  const opened = await openTelemetry({ settings, version })
  if (opened === undefined) return {}
  const telemetry = createTelemetry({ ...settings, ...opened, version })
  // The last that is closed but the store: what closes before it may still tell something.
  closers.add(async () => {
    telemetry.close()
    await opened.close()
  })
  return { telemetry, metrics: opened.metrics }
}
