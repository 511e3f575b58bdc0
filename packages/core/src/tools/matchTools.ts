/**
 * Checks what a run's tools are narrowed to.
 *
 * @throws {TypeError} when it is no list of names.
 */
export function checkTools(tools: unknown): void {
  if (tools === undefined) return
  const isNames = Array.isArray(tools) && tools.every((name) => typeof name === 'string' && name !== '')
  if (isNames && tools.length > 0) return
  throw new TypeError("`tools` must be a list of at least one tool's name, in which `*` stands for any characters")
}

/** Pure. Whether it has to be known which tools there are to say which ones are meant. */
export function hasPattern(tools: readonly string[]): boolean {
  return tools.some((name) => name.includes('*'))
}

/** Pure. The names that are meant, in order and each once: those that are given, and those that a pattern matches. */
export function matchTools(tools: readonly string[], known: readonly string[] = []): readonly string[] {
  const names = tools.flatMap((tool) => (tool.includes('*') ? known.filter((name) => matches(tool, name)) : [tool]))
  return [...new Set(names)].toSorted()
}

/** Without a regular expression, so that no pattern takes long: the parts between the stars follow one another. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop() ?? ''
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  const end = name.length - last.length
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= end
}
