import * as z from 'zod'

/** What both agents are asked to do, word for word. */
export const TASK = 'Find the mail about the offsite and put it in my calendar.'

/** The model to use where the environment has a key for it. */
export const REAL_MODEL = process.env['OPENAI_MODEL'] ?? 'gpt-5'
export const HAS_REAL_MODEL = Boolean(process.env['OPENAI_API_KEY'])

/** A tool's answer, as a model gets to see it. */
export interface ToolAnswer {
  readonly tool: string
  readonly text: string
}

export type Move = { readonly call: string; readonly args: Record<string, string> } | { readonly say: string }

const searchAnswer = z.object({ messages: z.array(z.object({ id: z.string() })).min(1) })
const mailAnswer = z.object({ body: z.string() })

/**
 * The next move of a scripted model. It knows nothing but what the tools have answered so far: the mail's id comes out
 * of the search, and the date out of the mail, so a right entry in the calendar proves that data really flowed.
 */
export function nextMove(answers: readonly ToolAnswer[]): Move {
  const last = answers.at(-1)
  switch (last?.tool) {
    case undefined:
      return { call: 'mail__search_mail', args: { query: 'offsite' } }
    case 'mail__search_mail':
      return { call: 'mail__read_mail', args: { id: searchAnswer.parse(JSON.parse(last.text)).messages[0]?.id ?? '' } }
    case 'mail__read_mail':
      return { call: 'calendar__create_event', args: readInvitation(mailAnswer.parse(JSON.parse(last.text)).body) }
    default:
      return { say: 'Done: the offsite is in your calendar.' }
  }
}

function readInvitation(mail: string): Record<string, string> {
  const field = (name: string): string => new RegExp(`^${name}: (.+)$`, 'm').exec(mail)?.[1] ?? ''
  return { title: 'Team offsite', start: field('Start'), end: field('End'), location: field('Place') }
}
