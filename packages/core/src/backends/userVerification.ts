import { toMagicLink } from '../wire/mapping.ts'
import { magicLinkSchema, verifiedUserSchema } from '../wire/verificationSchemas.ts'
import type { Backend } from './backend.ts'
import type { ControlPlane } from './controlPlane.ts'

/** Links that end at the app, which then says who consented. */
export function userVerification(
  controlPlane: ControlPlane,
): Required<Pick<Backend, 'createMagicLink' | 'verifyUser'>> {
  return {
    async createMagicLink({ userIdentifier, connectionName, state, userVerifyUrl }, { signal } = {}) {
      const link = await controlPlane.request({
        method: 'POST',
        path: '/api/v1/connected_accounts/magic_link',
        body: {
          connector: connectionName,
          identifier: userIdentifier,
          ...(state === undefined ? {} : { state }),
          ...(userVerifyUrl === undefined ? {} : { user_verify_url: userVerifyUrl }),
        },
        schema: magicLinkSchema,
        doing: `making a link for user ${JSON.stringify(userIdentifier)} and connection ${JSON.stringify(connectionName)}`,
        idempotent: false,
        signal,
      })
      return toMagicLink(link)
    },

    async verifyUser({ userIdentifier, authRequestId }, { signal } = {}) {
      await controlPlane.request({
        method: 'POST',
        path: '/api/v1/connected_accounts/user/verify',
        body: { auth_request_id: authRequestId, identifier: userIdentifier },
        schema: verifiedUserSchema,
        doing: `verifying user ${JSON.stringify(userIdentifier)}`,
        // It works once: a second try after a lost answer would be refused.
        idempotent: false,
        signal,
      })
    },
  }
}
