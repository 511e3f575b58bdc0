import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Schema } from '../schema.ts'
import type { SealedColumn } from '../sealedColumns.ts'
import type { SealedChange, SealedHead, SealedPlace, SealedQuery, SealedStore } from '../store.ts'

type Row = Record<string, unknown>

export function createSealedStore(db: Kysely<Schema>): SealedStore {
  return {
    heads: (column, query) => heads(db, column, query),
    async read({ table, column, key, firstFormat }, place) {
      const columns = [column, ...(firstFormat?.columns ?? [])].map((name) => sql.ref(name))
      const { rows } = await sql<Row>`
        select ${sql.join(columns)} from ${sql.table(table)} where ${isAt(key, place)} and ${sql.ref(column)} is not null
      `.execute(db)
      const [row] = rows
      return row && { sealed: bytesOf(row[column]), bound: firstFormat?.columns.map((name) => String(row[name])) ?? [] }
    },
    async replace(column, changes) {
      let replaced = 0
      for (const change of changes) replaced += await replaceOne(db, column, change)
      return replaced
    },
  }
}

async function heads(db: Kysely<Schema>, of: SealedColumn, query: SealedQuery): Promise<readonly SealedHead[]> {
  const { table, column, key, user } = of
  const names = user === undefined ? key : [...new Set([...key, user])]
  const { rows } = await sql<Row>`
    select ${sql.join(names.map((name) => sql.ref(name)))}, substr(${sql.ref(column)}, 1, ${sql.lit(query.bytes)}) as head
    from ${sql.table(table)}
    where ${sql.ref(column)} is not null ${isAfter(key, query.after)}
    order by ${sql.join(key.map((name) => sql.ref(name)))}
    limit ${sql.lit(query.limit)}
  `.execute(db)
  return rows.map((row) => ({
    place: key.map((name) => placeOf(row[name])),
    user: user === undefined ? undefined : String(row[user]),
    head: bytesOf(row['head']),
  }))
}

async function replaceOne(
  db: Kysely<Schema>,
  { table, column, key, user }: SealedColumn,
  { place, user: owner, from, to }: SealedChange,
): Promise<number> {
  const isUsers = user === undefined ? sql`` : sql`and ${sql.ref(user)} = ${owner}`
  const { numAffectedRows = 0n } = await sql`
    update ${sql.table(table)} set ${sql.ref(column)} = ${to}
    where ${isAt(key, place)} ${isUsers} and ${sql.ref(column)} = ${from}
  `.execute(db)
  return Number(numAffectedRows)
}

function isAt(key: readonly string[], place: SealedPlace): RawBuilder<unknown> {
  return sql.join(
    key.map((name, index) => sql`${sql.ref(name)} = ${place[index]}`),
    sql` and `,
  )
}

/** Row values are compared like the texts of a dictionary, on both databases, and by the index of the primary key. */
function isAfter(key: readonly string[], after: SealedPlace | undefined): RawBuilder<unknown> {
  if (after === undefined) return sql``
  return sql`and (${sql.join(key.map((name) => sql.ref(name)))}) > (${sql.join(after)})`
}

function placeOf(value: unknown): string | number {
  if (typeof value === 'string' || typeof value === 'number') return value
  throw new TypeError('A primary key is a text or a number')
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError('A sealed value is bytes')
}
