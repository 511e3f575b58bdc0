import type { Kysely, Selectable } from 'kysely'
import type { OauthClientsTable, Schema } from '../schema.ts'
import type { Registration, RegistrationKey, RegistrationStore } from '../store.ts'

export function createRegistrationStore(db: Kysely<Schema>): RegistrationStore {
  const get = async ({ issuer, redirectUri }: RegistrationKey) => {
    const row = await db
      .selectFrom('oauth_clients')
      .selectAll()
      .where('issuer', '=', issuer)
      .where('redirect_uri', '=', redirectUri)
      .executeTakeFirst()
    return row && toRegistration(row)
  }
  return {
    get,
    async put(key, registration) {
      await db
        .insertInto('oauth_clients')
        .values(toRow(key, registration))
        .onConflict((conflict) => conflict.columns(['issuer', 'redirect_uri']).doNothing())
        .execute()
      return (await get(key)) ?? registration
    },
    async remove({ issuer, redirectUri }, clientId) {
      await db
        .deleteFrom('oauth_clients')
        .where('issuer', '=', issuer)
        .where('redirect_uri', '=', redirectUri)
        .where('client_id', '=', clientId)
        .execute()
    },
  }
}

function toRow({ issuer, redirectUri }: RegistrationKey, registration: Registration): OauthClientsTable {
  return {
    issuer,
    redirect_uri: redirectUri,
    client_id: registration.clientId,
    sealed_client_secret: registration.sealedClientSecret ?? null,
    metadata: JSON.stringify(registration.metadata),
  }
}

function toRegistration(row: Selectable<OauthClientsTable>): Registration {
  const metadata: Record<string, unknown> = JSON.parse(row.metadata)
  return {
    clientId: row.client_id,
    sealedClientSecret: row.sealed_client_secret ?? undefined,
    metadata,
  }
}
