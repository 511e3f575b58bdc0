import { createHmac } from 'node:crypto'
import * as z from 'zod'
import { Secret } from '../secret.ts'
import type { Clock, Keys } from '../services.ts'
import { deriveKey } from './deriveKey.ts'
import { encodeTuple } from './encodeTuple.ts'
import type { KeyRing } from './keyRing.ts'
import { createTokens } from './tokens.ts'
import { createUrlSecrets } from './urlSecret.ts'

export interface KeysOptions {
  /** The issuer of every token. */
  readonly publicUrl: URL
  readonly clock: Clock
}

const ACCESS_TOKEN_SECONDS = 3_600
/** RFC 9068. */
const ACCESS_TOKEN_TYPE = 'at+jwt'
const SESSION_TOKEN_TYPE = 'latchkey-session+jwt'

const sessionPayloadSchema = z.object({
  sub: z.string().min(1),
  aud: z.string(),
  mcp_cfg: z.string(),
  ca_ids: z.array(z.string()),
  tools: z.array(z.string()).optional(),
  // A token of the version before had none: it is as good as one that was made before any revocation.
  epoch: z.int().nonnegative().default(0),
})

/** Everything that is signed or derived, from one ring of signing keys. */
export function createKeys(ring: KeyRing, { publicUrl, clock }: KeysOptions): Keys {
  const issuer = publicUrl.origin
  const urlSecrets = createUrlSecrets(ring)
  const tokens = createTokens({ ring, issuer, clock })
  const accessTokens = { type: ACCESS_TOKEN_TYPE, audience: `${issuer}/api` }
  const digestKey = deriveKey(currentKey(ring), 'digest v1')

  return {
    currentKeyId: ring.currentId,

    urlSecret: ({ id, urlVersion, urlKeyId }) => urlSecrets.make({ instanceId: id, urlVersion, keyId: urlKeyId }),

    verifyUrlSecret: (value) => urlSecrets.verify(value),

    async signAccessToken(clientId) {
      const expiresAt = clock() + ACCESS_TOKEN_SECONDS * 1_000
      const token = await tokens.sign(accessTokens, { sub: clientId, client_id: clientId }, expiresAt)
      return { token: new Secret(token), expiresInSeconds: ACCESS_TOKEN_SECONDS }
    },

    async verifyAccessToken(token) {
      return (await tokens.verify(token, accessTokens))?.sub
    },

    async signSessionToken({ userIdentifier, configId, audience, connectedAccountIds, tools, epoch }, expirySeconds) {
      const expiresAt = (Math.floor(clock() / 1_000) + expirySeconds) * 1_000
      const ids = { sub: userIdentifier, mcp_cfg: configId, ca_ids: connectedAccountIds }
      const claims = { ...ids, epoch, ...(tools && { tools }) }
      const token = await tokens.sign({ type: SESSION_TOKEN_TYPE, audience }, claims, expiresAt)
      return { token: new Secret(token), expiresAt: new Date(expiresAt) }
    },

    async verifySessionToken(token, audience) {
      const payload = await tokens.verify(token, { type: SESSION_TOKEN_TYPE, audience })
      const claims = sessionPayloadSchema.safeParse(payload).data
      return (
        claims && {
          userIdentifier: claims.sub,
          configId: claims.mcp_cfg,
          audience: claims.aud,
          connectedAccountIds: claims.ca_ids,
          tools: claims.tools,
          epoch: claims.epoch,
        }
      )
    },

    digest: (purpose, ...parts) =>
      createHmac('sha256', digestKey)
        .update(encodeTuple([purpose, ...parts]))
        .digest('base64url'),

    jwks: () => tokens.jwks(),
  }
}

function currentKey(ring: KeyRing): Uint8Array {
  const key = ring.keys.get(ring.currentId)
  if (key === undefined) throw new RangeError(`The signing key ${ring.currentId} is not in the ring`)
  return key
}
