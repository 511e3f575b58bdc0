import { sql, type Expression, type SqlBool } from 'kysely'

/** `LIKE` with a backslash as the escape character, which SQLite does not have unless one says so. */
export function likeLiteral(value: Expression<unknown>, pattern: string): Expression<SqlBool> {
  return sql<SqlBool>`${value} like ${pattern} escape '\\'`
}

/** A text that a `LIKE` pattern takes literally. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

/** The same, to be compared with what SQLite's `lower` gives: ASCII letters only. */
export function lowerEscaped(text: string): string {
  return escapeLike(text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()))
}
