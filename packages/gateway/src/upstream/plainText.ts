/**
 * What is wrong with a text that a model reads and its user does not see: `control` characters, `ansi` escapes, `bidi`
 * and other direction marks, `tag` characters and others that spell text invisibly, other `invisible` ones, or that it is
 * `long`.
 */
export type TextFlag = 'control' | 'ansi' | 'bidi' | 'tag' | 'invisible' | 'long'

export interface PlainText {
  readonly text: string
  readonly flags: readonly TextFlag[]
}

/** The longest text that is handed on, in UTF-16 code units (security T49: 4 KiB). */
export const MAX_TEXT_CHARS = 4096
const CUT_MARK = '… [cut by the gateway]'

/* oxlint-disable no-control-regex -- taking control characters out is the point */
const ANSI = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\-_]?/g
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g
/* oxlint-enable no-control-regex */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
/** Tags, and variation selectors in a row: each can stand for a byte. */
// oxlint-disable-next-line no-misleading-character-class -- the selectors are meant one by one
// oxlint-disable-next-line no-misleading-character-class -- each of them alone is meant
const TAG = /[\u{e0000}-\u{e007f}\u{e0100}-\u{e01ef}]|[\ufe00-\ufe0f]{2,}/gu
/** One joiner between two letters or emoji belongs to the script; several say something else. */
const INVISIBLE = /[\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u200c\u200d]{2,}/g

const STEPS: readonly (readonly [TextFlag, RegExp])[] = [
  ['ansi', ANSI],
  ['control', CONTROL],
  ['bidi', BIDI],
  ['tag', TAG],
  ['invisible', INVISIBLE],
]

/** Takes out what only a model would read, and cuts what is too long, with a mark (security T49). */
export function plainText(text: string): PlainText {
  const flags: TextFlag[] = []
  let plain = text
  for (const [flag, pattern] of STEPS) {
    const without = plain.replace(pattern, '')
    if (without !== plain) flags.push(flag)
    plain = without
  }
  if (plain.length <= MAX_TEXT_CHARS) return { text: plain, flags }
  return { text: plain.slice(0, MAX_TEXT_CHARS).toWellFormed() + CUT_MARK, flags: [...flags, 'long'] }
}
