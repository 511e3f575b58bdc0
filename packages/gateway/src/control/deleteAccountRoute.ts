import { deleteAccountRequestSchema } from '@latchkey/core/wire'
import { Hono } from 'hono'
import { GatewayError } from '../errors.ts'
import type { Registry, Revocations } from '../services.ts'
import type { Store } from '../store/store.ts'
import { readBody } from './readBody.ts'
import { toWireRevokedAccount } from './userRoutes.ts'

export interface DeleteAccountRouteOptions {
  readonly store: { readonly accounts: Pick<Store['accounts'], 'get' | 'listForUser'> }
  readonly registry: Pick<Registry, 'connectionByName'>
  readonly revocations: Pick<Revocations, 'removeAccount'>
}

/** `POST /api/v1/connected_accounts:delete`. */
export function deleteAccountRoute({ store, registry, revocations }: DeleteAccountRouteOptions): Hono {
  return new Hono().post('/api/v1/:target{connected_accounts(?::|%3[aA])delete}', async (context) => {
    const accountId = await accountIdOf(await readBody(context, deleteAccountRequestSchema))
    return context.json(toWireRevokedAccount(await revocations.removeAccount(accountId)))
  })

  async function accountIdOf({ id, connector, identifier }: DeleteAccountRequest): Promise<string> {
    const account = id === undefined ? await accountOf(connector, identifier) : await store.accounts.get(id)
    if (account !== undefined && (identifier ?? account.userIdentifier) === account.userIdentifier) return account.id
    throw new GatewayError('not_found', 'There is no such connected account.')
  }

  async function accountOf(connector: string | undefined, identifier: string | undefined) {
    if (connector === undefined || identifier === undefined) {
      throw new GatewayError('invalid_request', 'Give connector and identifier, or id.')
    }
    const connection = registry.connectionByName(connector)
    if (connection === undefined) return undefined
    const [account] = await store.accounts.listForUser(identifier, [connection.id])
    return account
  }
}

type DeleteAccountRequest = ReturnType<typeof deleteAccountRequestSchema.parse>
