import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import { createColors } from 'picocolors'
import yoctoSpinner from 'yocto-spinner'

/** Colours where a person looks at a terminal, and only there: a log of a CI run is plain. */
const colors = createColors(isatty(process.stdout.fd) && !process.env['NO_COLOR'])

const LABEL_WIDTH = 14
const VALUE_WIDTH = 28

/** Everything that the demo has printed, so that it can prove at the end that no secret was among it. */
export const printed: string[] = []

function line(text = ''): void {
  printed.push(text)
  console.log(text)
}

/** The name of the show. */
export function headline(title: string, subtitle: string): void {
  line()
  line(`${colors.bold(title)}  ${colors.dim(subtitle)}`)
}

/** One of the numbered parts. */
export function section(number: number, title: string): void {
  line()
  line(`${colors.cyan(String(number))}  ${colors.bold(title)}`)
}

/** A fact: what it is about, what it is, and a quieter note. */
export function fact(label: string, value: string, note = ''): void {
  line(
    `   ${colors.dim(label.padEnd(LABEL_WIDTH))} ${note ? value.padEnd(VALUE_WIDTH) : value}${note && `  ${colors.dim(note)}`}`,
  )
}

/** What another program printed. */
export function quote(text: string): void {
  line(`   ${colors.dim('│')} ${text}`)
}

/** Rows under headings, in columns as wide as they need to be. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const columns = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  line(`   ${colors.dim(columns(headings))}`)
  for (const row of rows) line(`   ${paintStatus(columns(row))}`)
}

function paintStatus(text: string): string {
  return text.replace(/\bACTIVE\b/, colors.green).replace(/\b(PENDING_AUTH|EXPIRED)\b/, colors.yellow)
}

/** Says something that the demo has just made sure of; ends the demo if it is not so. */
export function check(claim: string, isSo: boolean, found?: unknown): void {
  if (!isSo) throw new DemoFailure(found === undefined ? claim : `${claim}\n   Found: ${inspect(found, { depth: 4 })}`)
  line(`   ${colors.green('✔')} ${claim}`)
}

/** A promise of the demo that did not hold. */
class DemoFailure extends Error {
  override name = 'DemoFailure'
}

/** Shows that something is going on, where there is a terminal to show it in. */
export async function during<Result>(
  text: string,
  work: (say: (text: string) => void) => Promise<Result>,
): Promise<Result> {
  if (!process.stdout.isTTY) return await work(() => {})
  const spinner = yoctoSpinner({ text, stream: process.stdout }).start()
  try {
    return await work((news) => (spinner.text = news))
  } finally {
    spinner.stop()
  }
}

/** What went wrong, for people. */
export function failure(error: unknown): void {
  const text = error instanceof DemoFailure ? `This should be so and is not: ${error.message}` : inspect(error)
  console.error(`\n   ${colors.red('✘')} ${text}\n`)
}
