/** Text that another program wrote, as one line: what a terminal would obey is taken out of it. */
export function shown(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
}

/** The same for text of several lines. */
export function shownLines(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '')
}
