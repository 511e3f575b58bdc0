import { magicLinkRequestSchema, verifyUserRequestSchema } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { ConnectedAccount } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Registry } from '../services.ts'
import { clientOf } from './clientOf.ts'
import { readBody } from './readBody.ts'

export interface VerificationRoutesOptions {
  readonly accounts: Pick<Accounts, 'ensureForConfig' | 'get' | 'createLink' | 'verifyUser'>
  readonly registry: Pick<Registry, 'connectionByName' | 'connections'>
  /** What is wrong with a URL to which a browser would be sent; undefined: nothing. Default: none is allowed. */
  readonly verifyUrlProblem?: ((url: string) => string | undefined) | undefined
  readonly publicUrl: URL
}

/** What `wire.md` calls user verification: links that come back to the app, and the app's word of who consented. */
export function verificationRoutes({
  accounts,
  registry,
  publicUrl,
  verifyUrlProblem = () => 'is not allowed here',
}: VerificationRoutesOptions): Hono {
  const app = new Hono()

  app.post('/magic_link', async (context) => {
    const request = await readBody(context, magicLinkRequestSchema)
    const { state, user_verify_url: verifyUrl } = request
    const problem = verifyUrl === undefined ? undefined : verifyUrlProblem(verifyUrl)
    if (problem !== undefined) throw new GatewayError('invalid_request', `user_verify_url: ${problem}`)
    const account = await accountFor(request)
    const link = await accounts.createLink(account, { clientId: clientOf(context), state, verifyUrl })
    return context.json({ link: link.url.reveal(), expiry: link.expiresAt.toISOString() })
  })

  app.post('/user/verify', async (context) => {
    const { auth_request_id: authRequestId, identifier } = await readBody(context, verifyUserRequestSchema)
    await accounts.verifyUser({ authRequestId, userIdentifier: identifier, clientId: clientOf(context) })
    return context.json({ post_user_verify_redirect_url: new URL('/oauth/result/connected', publicUrl).href })
  })

  return app

  async function accountFor({ id, connector, identifier }: MagicLinkRequest): Promise<ConnectedAccount> {
    if (id === undefined) return await accountOf(connector, identifier)
    const account = await accounts.get(id)
    if (account !== undefined && (identifier ?? account.userIdentifier) === account.userIdentifier) return account
    throw new GatewayError('not_found', 'There is no connected account with this id.')
  }

  async function accountOf(connector: string | undefined, identifier: string | undefined): Promise<ConnectedAccount> {
    if (connector === undefined || identifier === undefined) {
      throw new GatewayError('invalid_request', 'Give connector and identifier, or id.')
    }
    const connection = registry.connectionByName(connector)
    if (connection === undefined) {
      const known = registry.connections().map(({ name }) => name)
      throw new GatewayError(
        'not_found',
        `There is no connection of this name. The known ones are: ${known.join(', ')}.`,
      )
    }
    const mappings = [{ connectionId: connection.id, tools: undefined }]
    const [state] = await accounts.ensureForConfig({ mappings }, identifier)
    if (state !== undefined) return state.account
    throw new GatewayError('not_found', 'There is no such connection.')
  }
}

type MagicLinkRequest = ReturnType<typeof magicLinkRequestSchema.parse>
