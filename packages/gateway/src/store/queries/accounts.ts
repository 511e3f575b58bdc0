import { sql, type Expression, type ExpressionBuilder, type Insertable, type Kysely, type SqlBool } from 'kysely'
import type { ConnectedAccount } from '../../domain.ts'
import type { ConnectedAccountsTable, Schema } from '../schema.ts'
import type { AccountFilter, AccountKey, AccountStore, StoredAccount } from '../store.ts'
import { byPlace, inOrder } from './inOrder.ts'

const COLUMNS = [
  'id',
  'connection_id',
  'user_identifier',
  'status',
  'generation',
  'created_at',
  'updated_at',
  sql<number>`sealed_credential is not null`.as('has_credential'),
] as const

/** What is known of refreshes is about one generation of the credential: see `RefreshStore`. */
const NO_REFRESH = { refresh_started_at: null, refresh_failed_at: null, refresh_failures: 0 } as const

export function createAccountStore(db: Kysely<Schema>): AccountStore {
  return {
    async get(id) {
      const row = await db.selectFrom('connected_accounts').select(COLUMNS).where('id', '=', id).executeTakeFirst()
      return row && toAccount(row)
    },
    async listForUser(userIdentifier, connectionIds) {
      if (connectionIds.length === 0) return []
      const rows = await db
        .selectFrom('connected_accounts')
        .select(COLUMNS)
        .where('user_identifier', '=', userIdentifier)
        .where('connection_id', 'in', connectionIds)
        .execute()
      return rows.map(toAccount)
    },
    async insertMissing(accounts) {
      if (accounts.length === 0) return
      await db
        .insertInto('connected_accounts')
        .values(accounts.map(toRow))
        .onConflict((conflict) => conflict.columns(['user_identifier', 'connection_id']).doNothing())
        .execute()
    },
    async readCredential(id) {
      const row = await db
        .selectFrom('connected_accounts')
        .select([...COLUMNS, 'sealed_credential'])
        .where('id', '=', id)
        .executeTakeFirst()
      if (row === undefined || row.sealed_credential === null) return undefined
      return { account: toAccount(row), sealed: row.sealed_credential }
    },
    async setStatus(key, status, at) {
      const result = await update(db, key)
        .set({ status, updated_at: at.getTime(), refresh_started_at: null })
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async setCredential(key, { sealed, status, at }) {
      const result = await update(db, key)
        .set({
          sealed_credential: sealed,
          status,
          generation: key.generation + 1,
          updated_at: at.getTime(),
          ...NO_REFRESH,
        })
        .executeTakeFirst()
      return result.numUpdatedRows === 1n
    },
    async list(query) {
      const rows = await byPlace(
        db
          .selectFrom('connected_accounts')
          .select(COLUMNS)
          .where((eb) => matches(eb, query)),
        'id',
        query,
      ).execute()
      return inOrder(rows, query).map(toAccount)
    },
    async count(filter) {
      const row = await db
        .selectFrom('connected_accounts')
        .select((eb) => eb.fn.countAll().as('count'))
        .where((eb) => matches(eb, filter))
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async delete({ id, userIdentifier, generation }) {
      const result = await db
        .deleteFrom('connected_accounts')
        .where('id', '=', id)
        .where('user_identifier', '=', userIdentifier)
        .where('generation', '=', generation)
        .executeTakeFirst()
      return result.numDeletedRows === 1n
    },
  }
}

function matches(
  eb: ExpressionBuilder<Schema, 'connected_accounts'>,
  { id, connectionIds, userIdentifier, status }: AccountFilter,
): Expression<SqlBool> {
  const conditions = []
  if (connectionIds !== undefined) {
    conditions.push(connectionIds.length === 0 ? eb.lit(false) : eb('connection_id', 'in', connectionIds))
  }
  if (id !== undefined) conditions.push(eb('id', '=', id))
  if (userIdentifier !== undefined) conditions.push(eb('user_identifier', '=', userIdentifier))
  if (status !== undefined) conditions.push(eb('status', '=', status))
  return eb.and(conditions)
}

function update(db: Kysely<Schema>, { id, userIdentifier, generation }: AccountKey) {
  return db
    .updateTable('connected_accounts')
    .where('id', '=', id)
    .where('user_identifier', '=', userIdentifier)
    .where('generation', '=', generation)
}

function toRow(account: ConnectedAccount): Insertable<ConnectedAccountsTable> {
  return {
    id: account.id,
    connection_id: account.connectionId,
    user_identifier: account.userIdentifier,
    status: account.status,
    generation: account.generation,
    sealed_credential: null,
    created_at: account.createdAt.getTime(),
    updated_at: account.updatedAt.getTime(),
    ...NO_REFRESH,
  }
}

type AccountRow = Omit<ConnectedAccountsTable, 'sealed_credential' | keyof typeof NO_REFRESH> & {
  has_credential: number | boolean
}

function toAccount(row: AccountRow): StoredAccount {
  return {
    id: row.id,
    connectionId: row.connection_id,
    userIdentifier: row.user_identifier,
    status: row.status,
    generation: row.generation,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    hasCredential: Boolean(row.has_credential),
  }
}
