import type { Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'

/** The headers that carry a credential, as the connection wants them. */
export function credentialHeaders({ auth, name }: Connection, credential: Credential): Record<string, string> {
  if (credential.type === 'oauth2') return { authorization: `Bearer ${credential.accessToken}` }
  if (auth.type !== 'api_key') throw new GatewayError('internal', `The credential of ${name} is of another kind.`)
  return { [auth.header.toLowerCase()]: `${auth.prefix ?? ''}${credential.key}` }
}
