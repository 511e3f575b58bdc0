import { type Move, nextMove, type ToolAnswer } from '../../world/script.ts'

/** What both agents are asked to do, word for word. */
export const TASK = 'Find the mail about the offsite and put it in my calendar.'

/** The model to use where the environment has a key for it. */
export const REAL_MODEL = process.env['OPENAI_MODEL'] ?? 'gpt-5'
export const HAS_REAL_MODEL = Boolean(process.env['OPENAI_API_KEY'])

/** The next move of both scripted models. */
export function nextMoveOfTask(answers: readonly ToolAnswer[]): Move {
  return nextMove({ question: TASK, answers, tools: ['mail__search_mail'] })
}
