import { createParser } from 'eventsource-parser'
import { parseJsonObject } from '../http/parseJson.ts'

/** What `data` of the error says, so that it can be told from an error that the endpoint sent. */
export const STREAM_ENDED = 'latchkey/stream-ended'

/**
 * Ends an answer that stops before its result: the MCP client would otherwise wait until its time-out
 * (https://github.com/modelcontextprotocol/typescript-sdk/issues/2739). A stream with event ids is left alone: the client
 * resumes it.
 */
export function guardStreamEnd(response: Response, requestId: () => string | number | undefined): Response {
  if (!response.body || !/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) return response
  let lastData = ''
  let resumable = false
  const parser = createParser({
    onEvent({ data, id }) {
      if (data !== '') lastData = data
      resumable ||= id !== undefined
    },
  })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const id = resumable ? undefined : requestId()
    if (id !== undefined && !isAnswerTo(lastData, id)) controller.enqueue(streamEndedEvent(id))
    controller.close()
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) return finish(controller)
        parser.feed(decoder.decode(value, { stream: true }))
        controller.enqueue(value)
      } catch (error) {
        if (resumable) controller.error(error)
        else finish(controller)
      }
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return new Response(body, { status: response.status, headers: response.headers })
}

function isAnswerTo(data: string, requestId: string | number): boolean {
  const message = parseJsonObject(data)
  return message['id'] === requestId && ('result' in message || 'error' in message)
}

function streamEndedEvent(id: string | number): Uint8Array {
  const error = { code: -32_603, message: 'the answer ended before its result', data: STREAM_ENDED }
  // The empty line first ends an event that was cut in its middle.
  return new TextEncoder().encode(`\n\nevent: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, error })}\n\n`)
}
