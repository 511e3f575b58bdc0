import type { AuthorizationDataParts } from '@latchkey/vercel-ai'
import { generateId, type UIMessage } from 'ai'

export type ChatMessage = UIMessage<never, AuthorizationDataParts>

/** A conversation. It is the server's: a browser sends what its user says, and nothing that the assistant said or did. */
export interface Chat {
  messages: ChatMessage[]
  /** The last answer has stopped for consent, and goes on when it is given. */
  isWaiting: boolean
  /** The calls for which it stopped. */
  refused: readonly string[]
  /** One at a time. */
  isAnswering: boolean
}

export function createChat(): Chat {
  return { messages: [], isWaiting: false, refused: [], isAnswering: false }
}

/** Adds what the user says. A card that was not used goes: it is shown again where it is needed. */
export function say(chat: Chat, text: string): void {
  if (chat.isWaiting) chat.messages = chat.messages.map(withoutOpenCards).filter(({ parts }) => parts.length > 0)
  chat.messages.push({ id: generateId(), role: 'user', parts: [{ type: 'text', text }] })
  chat.isWaiting = false
  chat.refused = []
}

function withoutOpenCards(message: ChatMessage): ChatMessage {
  const parts = message.parts.filter(
    (part) => part.type !== 'data-latchkey-authorization' || part.data.status === 'connected',
  )
  return { ...message, parts }
}
