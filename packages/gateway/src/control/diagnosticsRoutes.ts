import type { WireDiagnostics } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { ParsedOptions } from '../config/parseOptions.ts'
import type { Readiness } from '../http/readiness.ts'
import type { KeyRings } from '../keys/loadKeyRings.ts'
import type { Clock, Webhooks } from '../services.ts'
import type { RingName, Store } from '../store/store.ts'
import { version } from '../version.ts'
import { diagnosticsQuerySchema } from './diagnosticsPaths.ts'
import { createUserDiagnostics, type UserDiagnosticsOptions } from './userDiagnostics.ts'
import { check } from './readBody.ts'
import { webhookToWire } from './webhookToWire.ts'

/** What only whoever puts the gateway together knows of it. */
export interface DiagnosedGateway extends Pick<ParsedOptions, 'userVerification'> {
  readonly database: Pick<ParsedOptions['database'], 'kind'>
  readonly rings: KeyRings
  readonly readiness: Readiness
}

export interface DiagnosticsRoutesOptions extends UserDiagnosticsOptions {
  readonly diagnosed: DiagnosedGateway
  readonly publicUrl: URL
  readonly clock: Clock
  readonly webhooks: Pick<Webhooks, 'list'>
  readonly store: UserDiagnosticsOptions['store'] & { readonly ringKeys: Pick<Store['ringKeys'], 'list'> }
}

/** `GET /api/v1/diagnostics`. */
export function diagnosticsRoutes(options: DiagnosticsRoutesOptions): Hono {
  const { diagnosed, publicUrl, clock, webhooks, registry, store } = options
  const diagnoseUser = createUserDiagnostics(options)

  return new Hono().get('/', async (context) => {
    const { identifier, config_name: configName } = check(context.req.query(), diagnosticsQuerySchema)
    const { checks } = await diagnosed.readiness()
    const diagnostics: WireDiagnostics = {
      time: new Date(clock()).toISOString(),
      version,
      public_url: publicUrl.origin,
      user_verification: diagnosed.userVerification === undefined ? 'off' : 'on',
      database: diagnosed.database.kind,
      checks,
      keys: [...(await keysOf('encryption')), ...(await keysOf('signing'))],
      webhooks: (await webhooks.list()).map(webhookToWire),
      connection_names: registry.connections().map(({ name }) => name),
      ...(identifier !== undefined && { user: await diagnoseUser(identifier, configName) }),
    }
    return context.json(diagnostics)
  })

  /** Without counting what each seals, which would read the whole database. */
  async function keysOf(ring: RingName): Promise<WireDiagnostics['keys']> {
    const { currentId, keys } = diagnosed.rings[ring]
    const known = new Map((await store.ringKeys.list(ring)).map((key) => [key.keyId, key]))
    return [...new Set([...known.keys(), ...keys.keys()])].map((keyId) => ({
      ring,
      key_id: keyId,
      is_current: keyId === currentId,
      is_available: keys.has(keyId),
      retired_at: known.get(keyId)?.retiredAt?.toISOString(),
    }))
  }
}
