declare global {
  /** https://tc39.es/proposal-json-parse-with-source/, which TypeScript does not know yet. */
  interface JSON {
    rawJSON(text: string): WrittenNumber
    isRawJSON(value: unknown): value is WrittenNumber
  }
}

/** A number as it is written, where a parser makes another one of it. `JSON.stringify` writes it so again. */
export interface WrittenNumber {
  readonly rawJSON: string
}

/** What `JSON.parse` has made of a text; of a number that it does not keep as it is written, the number as written. */
export function asWritten(parsed: unknown, text: string | undefined): unknown {
  if (typeof parsed !== 'number' || text === undefined || !Number.isFinite(parsed)) return parsed
  return JSON.stringify(parsed) === text ? parsed : JSON.rawJSON(text)
}

/** What others may have made of it. */
export function asParsed<T>(value: T | WrittenNumber): T | number {
  return JSON.isRawJSON(value) ? Number(value.rawJSON) : value
}
