import type { ColumnDefinitionBuilder, Expression } from 'kysely'

/** Where the databases differ in what a column is called. */
export interface ColumnTypes {
  readonly bytes: Expression<unknown>
  /** A number that the database gives out, growing, never twice. */
  readonly sequence: Expression<unknown>
  readonly asSequence: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
}
