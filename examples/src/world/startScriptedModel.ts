import { listen } from '@latchkey/test/fixtures'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { type Move, nextMove, type Situation } from './script.ts'

/** What stands for OpenAI where there is no key: the programs talk to it as they would to the real one. */
export interface ScriptedModel extends AsyncDisposable {
  /** For `OPENAI_BASE_URL`. */
  readonly baseUrl: string
  /** How often it was asked. */
  readonly requests: number
}

const text = z.union([z.string(), z.array(z.object({ text: z.string().optional() }))])
const inputItem = z.looseObject({
  type: z.string().optional(),
  id: z.string().optional(),
  role: z.string().optional(),
  content: text.optional(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  output: text.optional(),
})
const createRequest = z.object({
  model: z.string(),
  input: z.union([z.string(), z.array(inputItem)]),
  tools: z.array(z.looseObject({ name: z.string().optional() })).default([]),
  stream: z.boolean().nullish(),
})

type InputItem = z.infer<typeof inputItem>
type CreateRequest = z.infer<typeof createRequest>
type OutputItem = ReturnType<typeof outputItem>
type Response = ReturnType<typeof responseOf>

/**
 * Serves as much of OpenAI's Responses API as agents use (`POST /responses`, streamed or not) on a free loopback port,
 * and answers by the script. https://platform.openai.com/docs/api-reference/responses
 */
export async function startScriptedModel(): Promise<ScriptedModel> {
  // Clients may send nothing but the id of what they were answered before.
  const items = new Map<string, InputItem>()
  let requests = 0
  const app = new Hono().post('/v1/responses', async (context) => {
    requests += 1
    const request = createRequest.parse(await context.req.json())
    const item = outputItem(nextMove(situationOf(request, items)))
    items.set(item.id, item)
    const response = responseOf(request, item)
    if (!request.stream) return context.json(response)
    return streamSSE(context, async (stream) => {
      for (const [index, event] of eventsOf(response, item).entries())
        await stream.writeSSE({ data: JSON.stringify({ ...event, sequence_number: index }) })
    })
  })
  const listener = await listen(app.fetch)
  return {
    baseUrl: `${listener.origin}/v1`,
    get requests() {
      return requests
    },
    [Symbol.asyncDispose]: listener.close,
  }
}

function situationOf({ input, tools }: CreateRequest, items: ReadonlyMap<string, InputItem>): Situation {
  const all: readonly InputItem[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input
  const whole = all.map((item) => (item.type === 'item_reference' ? (items.get(item.id ?? '') ?? item) : item))
  const asked = whole.findLastIndex(({ role }) => role === 'user')
  const calls = whole.filter(({ type }) => type === 'function_call')
  const names = new Map(calls.map(({ call_id: id, name }) => [id, name]))
  return {
    question: textOf(whole[asked]?.content),
    answers: whole
      .slice(asked + 1)
      .filter(({ type }) => type === 'function_call_output')
      .map(({ call_id: id, output }) => ({ tool: names.get(id) ?? '', text: textOf(output) })),
    tools: tools.flatMap(({ name }) => name ?? []),
  }
}

function textOf(content: InputItem['content']): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n')
}

function outputItem(move: Move) {
  const id = randomUUID().replaceAll('-', '')
  if ('say' in move) {
    const content = [{ type: 'output_text' as const, text: move.say, annotations: [] }]
    return { type: 'message' as const, id: `msg_${id}`, role: 'assistant', status: 'completed', content }
  }
  const call = { call_id: `call_${id}`, name: move.call, arguments: JSON.stringify(move.args) }
  return { type: 'function_call' as const, id: `fc_${id}`, status: 'completed', ...call }
}

function responseOf({ model }: CreateRequest, item: OutputItem) {
  const none = { input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } }
  return {
    id: `resp_${randomUUID().replaceAll('-', '')}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'completed',
    model,
    output: [item],
    error: null,
    incomplete_details: null,
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0, ...none },
  }
}

/** https://platform.openai.com/docs/api-reference/responses-streaming */
function eventsOf(response: Response, item: OutputItem) {
  const begun = { ...response, status: 'in_progress', output: [] }
  return [
    { type: 'response.created', response: begun },
    ...(item.type === 'message' ? messageEvents(item) : callEvents(item)),
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response },
  ]
}

function messageEvents(item: OutputItem & { type: 'message' }) {
  const at = { item_id: item.id, output_index: 0, content_index: 0 }
  const added = { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } }
  const events: object[] = [
    added,
    { type: 'response.content_part.added', ...at, part: { ...item.content[0], text: '' } },
  ]
  const { text: whole = '' } = item.content[0] ?? {}
  for (const delta of whole.split(/(?<= )/))
    events.push({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })
  return [
    ...events,
    { type: 'response.output_text.done', ...at, text: whole, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: item.content[0] },
  ]
}

function callEvents(item: OutputItem & { type: 'function_call' }) {
  const at = { item_id: item.id, output_index: 0 }
  return [
    { type: 'response.output_item.added', output_index: 0, item: { ...item, arguments: '' } },
    { type: 'response.function_call_arguments.delta', ...at, delta: item.arguments },
    { type: 'response.function_call_arguments.done', ...at, arguments: item.arguments },
  ]
}
