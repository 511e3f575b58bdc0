import type { ConnectedAccount, Credential } from '../domain.ts'
import type { Vault } from '../services.ts'

/** A credential opens only for the account, the user, the connection and the generation that it was sealed for. */
function context(account: ConnectedAccount, generation: number): readonly string[] {
  const { id, userIdentifier, connectionId } = account
  return ['connected_accounts', id, userIdentifier, connectionId, 'sealed_credential', String(generation)]
}

export function sealCredential(
  vault: Vault,
  account: ConnectedAccount,
  generation: number,
  credential: Credential,
): Uint8Array {
  return vault.seal(JSON.stringify(credential), context(account, generation))
}

/** Throws GatewayError `internal` if the bytes are not what was sealed for exactly this account and generation. */
export function openCredential(vault: Vault, account: ConnectedAccount, sealed: Uint8Array): Credential {
  const credential: Credential = JSON.parse(vault.open(sealed, context(account, account.generation)))
  // JSON has no `undefined`; the keys are there all the same.
  if (credential.type !== 'oauth2') return credential
  return {
    ...credential,
    refreshToken: credential.refreshToken,
    expiresAt: credential.expiresAt,
    scope: credential.scope,
    ...(credential.subject !== undefined && { subject: credential.subject }),
  }
}
