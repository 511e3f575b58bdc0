import {
  magicLinkRequestSchema,
  magicLinkSchema,
  verifiedUserSchema,
  verifyUserRequestSchema,
} from '@latchkey/core/wire'
import { describeRoute } from './openapi/describeRoute.ts'

const ACCOUNTS = '/api/v1/connected_accounts'

export const verificationPaths = [
  describeRoute({
    method: 'post',
    path: `${ACCOUNTS}/magic_link`,
    operationId: 'createMagicLink',
    tag: 'Connected accounts',
    summary: 'Make an authentication link for one account',
    description:
      'Give `connector` and `identifier`, or `id`. Where users are verified, the link ends with a redirect to `{user_verify_url}?auth_request_id=…&state=…`.',
    body: magicLinkRequestSchema,
    responses: { 200: { description: 'The link: a secret, which works once.', schema: magicLinkSchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${ACCOUNTS}/user/verify`,
    operationId: 'verifyUser',
    tag: 'Connected accounts',
    summary: 'Say who consented',
    description:
      'Only if `identifier` is the user that the link was made for does the account become ACTIVE. Everything else is answered with the same 403; where another user was named, the credential is destroyed. Works once.',
    // A second try is refused like any other, so a kept answer would only be in the way.
    isRepeatable: true,
    body: verifyUserRequestSchema,
    responses: { 200: { description: 'The account is ACTIVE.', schema: verifiedUserSchema } },
  }),
]
