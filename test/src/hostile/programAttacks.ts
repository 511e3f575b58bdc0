/** What `hostileProgram.ts` may write. */
export const PROGRAM_ATTACKS = [
  'a line of 64 MiB',
  'an answer of bytes that are no text',
  'millions of empty lines',
  'millions of lines that are no messages',
  'lines of nothing but brackets',
  'answers to what nobody asked',
  'questions without end',
  '11 MiB of progress',
  '11 MiB of log messages',
  'lists that change without end',
  'an answer in writes of one byte',
] as const
export type ProgramAttack = (typeof PROGRAM_ATTACKS)[number]
