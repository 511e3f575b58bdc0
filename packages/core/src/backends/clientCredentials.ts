import { LatchkeyError } from '../errors.ts'
import { bearerHeaders, type HeaderSource } from '../http/headerSource.ts'
import { createRenewableToken, type FetchedToken } from '../http/renewableToken.ts'
import { accessTokenResponseSchema } from '../wire/schemas.ts'
import { ask, type Transport } from './ask.ts'

export interface ClientCredentials {
  readonly clientId: string
  readonly clientSecret: string
}

/** An access token for an app (RFC 6749, section 4.4), got at `/oauth/token` once for all, and renewed by itself. */
export function clientCredentials(transport: Transport, credentials: ClientCredentials): HeaderSource {
  return bearerHeaders(
    createRenewableToken((signal) => fetchAccessToken(transport, credentials, signal), transport.timing),
  )
}

async function fetchAccessToken(
  transport: Transport,
  { clientId, clientSecret }: ClientCredentials,
  signal: AbortSignal,
): Promise<FetchedToken> {
  const { base, http, settings } = transport
  const doing = 'getting an access token'
  const question = {
    doing,
    idempotent: true,
    schema: accessTokenResponseSchema,
    signal,
    refused: (status: number) => {
      // Whatever speaks there, a control plane has this path.
      if (status === 404)
        return new LatchkeyError(
          'invalid_response',
          `${doing} failed: HTTP 404; check that ${settings.address} is the address of ${settings.service}`,
        )
      return status === 400 || status === 401 || status === 403
        ? new LatchkeyError(
            'unauthorized',
            `${settings.service} refused client "${clientId}": check ${settings.credential}`,
          )
        : undefined
    },
  }
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  }).toString()
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
  const token = await ask(transport, question, async (deadline) => ({
    response: await http.fetch(`${base}/oauth/token`, { method: 'POST', headers, body, signal: deadline }),
    secrets: [clientSecret],
  }))
  return { value: token.access_token, expiresInMs: token.expires_in * 1_000 }
}
