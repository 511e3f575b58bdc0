import { type ConnectionState, isAuthorizationRequired, type Latchkey } from '@latchkey/core'
import {
  authorizationParts,
  callAgain,
  createUserTools,
  pendingAuthorization,
  stopOnAuthorization,
} from '@latchkey/vercel-ai'
import {
  consumeStream,
  convertToModelMessages,
  createUIMessageStream,
  createUIMessageStreamResponse,
  isStepCount,
  type LanguageModel,
  streamText,
  toUIMessageStream,
  type UIMessageStreamWriter,
} from 'ai'
import type { Chat, ChatMessage } from './chat.ts'

export interface AnswerOptions {
  readonly chat: Chat
  readonly userId: string
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Makes the function that answers what a user has said, or goes on with an answer that stopped for consent. */
export function createAnswer({ latchkey, model }: { latchkey: Latchkey; model: LanguageModel }) {
  const userTools = createUserTools(latchkey)

  async function run({ chat, userId, signal }: AnswerOptions, writer: UIMessageStreamWriter<ChatMessage>) {
    const tools = await userTools(userId, { signal })
    showCards(chat, [], writer)
    const messages = await convertToModelMessages(chat.messages, { tools })
    const result = streamText({
      model,
      tools,
      // The calls for which it stopped are made now, as they were, before the model is asked.
      messages: callAgain(messages, chat.refused),
      stopWhen: [isStepCount(10), stopOnAuthorization],
      abortSignal: signal,
    })
    writer.merge(toUIMessageStream({ stream: result.stream }))
    const stopped = pendingAuthorization({ steps: await result.steps })
    chat.refused = stopped?.toolCallIds ?? []
    if (stopped) showCards(chat, stopped.connections, writer)
  }

  return function answer(options: AnswerOptions): Response {
    const { chat, signal } = options
    chat.isAnswering = true
    const stream = createUIMessageStream<ChatMessage>({
      originalMessages: chat.messages,
      async execute({ writer }) {
        try {
          await run(options, writer)
        } catch (error) {
          if (!isAuthorizationRequired(error)) throw error
          showCards(chat, error.connections, writer)
        }
      },
      onError(error) {
        if (!signal.aborted) console.error(error)
        return 'That did not work. Please try again.'
      },
      onEnd: ({ messages }) => void (chat.messages = messages),
    })
    return createUIMessageStreamResponse({
      stream,
      // To its end also where the browser has gone: what was done is in the chat when it comes back.
      async consumeSseStream({ stream: copy }) {
        await consumeStream({ stream: copy })
        chat.isAnswering = false
      },
    })
  }
}

/** Only ever into this user's own stream. What was shown before and is not pending any more becomes connected. */
function showCards(
  chat: Chat,
  pending: readonly ConnectionState[],
  writer: Pick<UIMessageStreamWriter<ChatMessage>, 'write'>,
): void {
  for (const part of authorizationParts(pending, chat.messages.at(-1)?.parts)) writer.write(part)
  chat.isWaiting = pending.length > 0
}
