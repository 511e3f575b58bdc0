import { createAudit } from '../audit/audit.ts'
import { createDenials } from '../audit/denials.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { createRefusalPage } from '../connect/refusalPage.ts'
import { createClientAddress } from '../http/clientAddress.ts'
import { createReadiness, type Check } from '../http/readiness.ts'
import { createRequestGate } from '../http/requestGate.ts'
import { createRateLimits } from '../limits/rateLimits.ts'
import type { Telemetry } from '../services.ts'
import type { Store } from '../store/store.ts'
import { measuredLimits } from '../telemetry/measured.ts'

/** What stands around all rooms: limits, the audit log, and whether requests should come here. */
export function createOperations(options: ParsedOptions, store: Store, telemetry: Telemetry | undefined) {
  const { publicUrl, clock, log, rateLimits, database } = options
  let draining = false
  const isDraining = () => draining
  const audit = createAudit({ store: store.audit, clock, log })
  const denials = createDenials({ audit })
  const plainLimits = createRateLimits(rateLimits)
  const limits = telemetry === undefined ? plainLimits : measuredLimits(plainLimits, telemetry)
  const page = createRefusalPage(publicUrl)
  return {
    audit,
    denials,
    limits,
    clientAddress: createClientAddress(options),
    gate: createRequestGate({ audit, denials, limits, page, isDraining }),
    readiness: (checks: Readonly<Record<string, Check>>) =>
      createReadiness({
        checks: {
          store: async () => await store.events.latestSequence(),
          // What it gives out, it has to write down first.
          audit: async () => await store.audit.list({ limit: 1 }),
          ...checks,
        },
        // Told, and no reason to send requests elsewhere: what notifications would say is found by polling too.
        ...(database.kind === 'postgres' && { hints: { notifications: () => store.isListening() } }),
        isDraining,
      }),
    drain: () => void (draining = true),
  }
}
