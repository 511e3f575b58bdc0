import { sql } from 'kysely'
import type { ColumnTypes } from '../migrations/columnTypes.ts'
import { wakeUpAfterInsert } from './wakeUps.ts'

/** `by default`, so that a copy of the rows can be put back with the numbers that they had. */
export const columnTypes: ColumnTypes = {
  bytes: sql`bytea`,
  sequence: sql`bigint`,
  asSequence: (column) => column.primaryKey().generatedByDefaultAsIdentity(),
  wakeUpAfterInsert,
}
