export interface CodeBlock {
  readonly language: string
  readonly code: string
  /** The line of the page at which the code begins, counted from 1. */
  readonly line: number
}

/** The fenced blocks of a Markdown page (CommonMark 4.5). */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const fences = /^(?<indent> *)(?<fence>`{3,}|~{3,}) *(?<language>\w*)[^\n]*\n(?<code>[\s\S]*?)^ *\k<fence>[`~]* *$/gm
  return [...page.matchAll(fences)].map((match) => {
    const { language = '', code = '', indent = '' } = match.groups ?? {}
    const line = page.slice(0, match.index).split('\n').length + 1
    return { language, line, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
  })
}
