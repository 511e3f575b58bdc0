import { sql, type SelectQueryBuilder } from 'kysely'
import type { Schema } from '../schema.ts'
import type { PlaceQuery } from '../store.ts'

/**
 * The rows that follow a key or, of those before one, the last: found by the index, however many there are. Rows that
 * come or go meanwhile move nothing. The rows before a key come in reverse; see {@link inOrder}.
 */
export function byPlace<Table extends keyof Schema, Row>(
  query: SelectQueryBuilder<Schema, Table, Row>,
  column: 'id' | 'name',
  { after, before, limit }: PlaceQuery,
): SelectQueryBuilder<Schema, Table, Row> {
  const key = sql.ref<string>(column)
  return query
    .$if(after !== undefined, (rest) => rest.where(key, '>', after!))
    .$if(before !== undefined, (rest) => rest.where(key, '<', before!))
    .orderBy(key, before === undefined ? 'asc' : 'desc')
    .limit(limit)
}

/** What {@link byPlace} found, in the order of the keys. */
export function inOrder<Row>(rows: readonly Row[], { before }: Pick<PlaceQuery, 'before'>): readonly Row[] {
  return before === undefined ? rows : rows.toReversed()
}
