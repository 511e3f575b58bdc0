import type { ColumnDefinitionBuilder, Expression, RawBuilder } from 'kysely'

/** Where the databases differ in what a column is called. */
export interface ColumnTypes {
  readonly bytes: Expression<unknown>
  /** A number that the database gives out, growing, never twice. */
  readonly sequence: Expression<unknown>
  readonly asSequence: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
  /** What makes each insert into this table tell `Store.listen`; nothing where the database cannot. */
  readonly wakeUpAfterInsert: (table: string) => readonly RawBuilder<unknown>[]
}
