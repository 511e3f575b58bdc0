/** A column whose values the vault sealed. */
export interface SealedColumn {
  readonly table: string
  readonly column: string
  /** The primary key. */
  readonly key: readonly string[]
  /** Where the user is named whose row it is, if it is a user's. */
  readonly user?: string
  /** For what the first version sealed, which was bound to its place more tightly: see `vault.rewrap`. */
  readonly firstFormat?: { readonly columns: readonly string[]; readonly context: (...values: string[]) => string[] }
}

/**
 * Every sealed column of the database: what has to be wrapped again when the encryption key changes. The name of such a
 * column begins with `sealed_`, and a test compares this list with the tables.
 */
export const sealedColumns: readonly SealedColumn[] = [
  {
    table: 'connected_accounts',
    column: 'sealed_credential',
    key: ['id'],
    user: 'user_identifier',
    firstFormat: {
      columns: ['id', 'user_identifier', 'connection_id', 'generation'],
      context: (id = '', user = '', connection = '', generation = '') => [
        'connected_accounts',
        id,
        user,
        connection,
        'sealed_credential',
        generation,
      ],
    },
  },
  { table: 'idempotency_keys', column: 'sealed_answer', key: ['key_hash'] },
  { table: 'connections', column: 'sealed_definition', key: ['id'] },
  { table: 'webhook_endpoints', column: 'sealed_secrets', key: ['id'] },
  { table: 'auth_links', column: 'sealed_state', key: ['id'] },
  {
    table: 'pending_verifications',
    column: 'sealed_credential',
    key: ['request_hash'],
    user: 'user_identifier',
  },
  { table: 'pending_revocations', column: 'sealed_credential', key: ['id'], user: 'user_identifier' },
  {
    table: 'auth_flows',
    column: 'sealed_attempt',
    key: ['state_hash'],
    firstFormat: { columns: ['state_hash'], context: (...values) => ['auth_flows', ...values, 'attempt'] },
  },
  {
    table: 'oauth_clients',
    column: 'sealed_client_secret',
    key: ['issuer', 'redirect_uri'],
    firstFormat: {
      columns: ['issuer', 'redirect_uri', 'client_id'],
      context: (...values) => ['oauth_clients', ...values, 'client_secret'],
    },
  },
]
