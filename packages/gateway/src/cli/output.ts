import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Where a command writes: what was asked for to standard output, everything else to standard error. */
export interface Output {
  readonly isJson: boolean
  /** A line for people. Nothing with `--json`. */
  line(text?: string): void
  /** The answer as JSON. Nothing without `--json`. */
  json(value: unknown): void
  /** One line of JSON of several. */
  jsonLine(value: unknown): void
  /** What is not part of the answer, such as a warning. Also with `--json`. */
  note(text: string): void
}

export function createOutput({ json: isJson = false }: { json?: boolean | undefined }): Output {
  return {
    isJson,
    line: (text = '') => void (isJson || process.stdout.write(`${text}\n`)),
    json: (value) => void (isJson && process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)),
    jsonLine: (value) => void (isJson && process.stdout.write(`${JSON.stringify(value)}\n`)),
    note: (text) => void process.stderr.write(`${text}\n`),
  }
}

/** Colours on a terminal, and nowhere else. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
