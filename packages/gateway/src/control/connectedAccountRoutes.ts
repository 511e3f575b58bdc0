import { Hono } from 'hono'
import type { Registry } from '../services.ts'
import type { Store } from '../store/store.ts'
import { accountQuerySchema } from './accountPaths.ts'
import type { Filters } from './filters.ts'
import { readPage } from './pageQuery.ts'
import { check } from './readBody.ts'
import type { ToWire } from './toWire.ts'

export interface ConnectedAccountRoutesOptions {
  readonly store: { readonly accounts: Pick<Store['accounts'], 'list' | 'count'> }
  readonly registry: Pick<Registry, 'connections'>
  readonly filters: Pick<Filters, 'ofAccounts'>
  readonly toWire: Pick<ToWire, 'account'>
}

/** `GET /api/v1/connected_accounts`. */
export function connectedAccountRoutes({ store, registry, filters, toWire }: ConnectedAccountRoutesOptions): Hono {
  const app = new Hono()

  app.get('/', async (context) => {
    const query = check(context.req.query(), accountQuerySchema)
    const asked = filters.ofAccounts(query)
    // An account of a connection that is not configured any more has nothing that it could be told by.
    const filter = { ...asked, connectionIds: asked.connectionIds ?? registry.connections().map(({ id }) => id) }
    const { entries, ...tokens } = await readPage({
      of: 'connected_accounts',
      query,
      list: (place) => store.accounts.list({ ...filter, ...place }),
      keyOf: ({ id }) => id,
    })
    const total = await store.accounts.count(filter)
    return context.json({ connected_accounts: entries.flatMap(toWire.account), ...tokens, total_size: total })
  })

  return app
}
