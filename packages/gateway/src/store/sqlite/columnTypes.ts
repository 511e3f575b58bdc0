import type { ColumnTypes } from '../migrations/columnTypes.ts'
import { sql } from 'kysely'

/** AUTOINCREMENT, because a place in the log must never be given out twice, not even after rows were deleted. */
export const columnTypes: ColumnTypes = {
  bytes: sql`blob`,
  sequence: sql`integer`,
  asSequence: (column) => column.primaryKey().autoIncrement(),
  wakeUpAfterInsert: () => [],
}
