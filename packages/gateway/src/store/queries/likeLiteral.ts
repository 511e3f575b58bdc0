import { sql, type Expression, type SqlBool } from 'kysely'

/** `LIKE` with a backslash as the escape character, which SQLite does not have unless one says so. */
export function likeLiteral(value: Expression<unknown>, pattern: string): Expression<SqlBool> {
  return sql<SqlBool>`${value} like ${pattern} escape '\\'`
}
