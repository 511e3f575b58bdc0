import { resultParts, type ToolResult } from './resultParts.ts'

/**
 * A result with `isError`, as an error with the tool's own words; the result is its `cause`. For whoever writes an adapter
 * for a framework that takes what a tool returns for success.
 *
 * @example
 * if (result.isError === true) throw toolError(result)
 */
export function toolError(result: ToolResult): Error {
  const words = resultParts(result).flatMap((part) => (part.type === 'text' ? [part.text] : []))
  return new Error(words.join('\n') || 'The tool failed without giving a reason.', { cause: result })
}
