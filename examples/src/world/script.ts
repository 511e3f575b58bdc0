import * as z from 'zod'

/** A tool's answer, as a model gets to see it. */
export interface ToolAnswer {
  readonly tool: string
  readonly text: string
}

/** What a model is given to go on. */
export interface Situation {
  /** What the user said last. */
  readonly question: string
  /** What the tools have answered since. */
  readonly answers: readonly ToolAnswer[]
  /** The names of the tools that there are. */
  readonly tools: readonly string[]
}

export type Move = { readonly call: string; readonly args: Record<string, string> } | { readonly say: string }

const searchAnswer = z.object({ messages: z.array(z.object({ id: z.string() })).min(1) })
const mailAnswer = z.object({ body: z.string() })

/**
 * The next move of a scripted model. It knows nothing but what the tools have answered: the mail's id comes out of the
 * search, and the date out of the mail, so a right date proves that this user's data really flowed.
 */
export function nextMove({ question, answers, tools }: Situation): Move {
  const last = answers.at(-1)
  if (!last) return firstMove(question, tools)
  if (!isDone(last)) return { say: `That did not work: ${last.text}` }
  switch (last.tool) {
    case 'mail__search_mail':
      return { call: 'mail__read_mail', args: { id: searchAnswer.parse(JSON.parse(last.text)).messages[0]?.id ?? '' } }
    case 'mail__read_mail':
      return afterReading(readInvitation(last.text), question)
    case 'calendar__create_event':
      return { say: `Done: ${whenAndWhere(readInvitation(answers.at(-2)?.text ?? ''))} is in your calendar.` }
    default:
      return { say: `Done. ${last.text}` }
  }
}

function firstMove(question: string, tools: readonly string[]): Move {
  const wants = (words: RegExp, tool: string) => words.test(question) && tools.includes(tool)
  if (wants(/\b(tell|send|write)\b/i, 'mail__send_mail')) return { call: 'mail__send_mail', args: NEWS }
  if (wants(/\boffsite\b/i, 'mail__search_mail')) return { call: 'mail__search_mail', args: { query: 'offsite' } }
  return { say: `I am a script, not a model. Ask me about the offsite. I have ${tools.join(', ')}.` }
}

const NEWS = { to: 'dana@acme.example', subject: 'The offsite', body: 'I am coming.' }

function afterReading(invitation: Invitation, question: string): Move {
  if (/\bcalendar\b/i.test(question))
    return { call: 'calendar__create_event', args: { title: 'Team offsite', ...invitation } }
  return { say: `Dana wrote that your offsite is ${whenAndWhere(invitation)}. Shall I put it in your calendar?` }
}

type Invitation = Record<'start' | 'end' | 'location', string>

function readInvitation(text: string): Invitation {
  const { body } = mailAnswer.parse(JSON.parse(text))
  const field = (name: string): string => new RegExp(`^${name}: (.+)$`, 'm').exec(body)?.[1] ?? ''
  return { start: field('Start'), end: field('End'), location: field('Place') }
}

function whenAndWhere({ start, end, location }: Invitation): string {
  return `on ${start.slice(0, 10)} from ${start.slice(11, 16)} to ${end.slice(11, 16)} UTC, at: ${location}`
}

/** Tools of mail and calendar answer JSON, except that sending a mail is told in words. */
function isDone({ tool, text }: ToolAnswer): boolean {
  return tool === 'mail__send_mail' ? text.startsWith('Sent') : text.startsWith('{')
}
