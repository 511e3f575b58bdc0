import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'

/** A client that writes down everything that reaches it: logs, progress, questions, changes of lists, results. */
export interface RecordingClient extends AsyncDisposable {
  readonly received: readonly string[]
  /** Calls a tool, and answers what is asked meanwhile with its own name. */
  call(tool: string, args?: Record<string, unknown>): Promise<void>
  /** When it is told next that the tools have changed. */
  nextChange(): Promise<void>
}

const INFO = { name: 'recorder', version: '1.0.0' }

function createRecord() {
  const received: string[] = []
  const changes: (() => void)[] = []
  return {
    received,
    note: (line: unknown) => void received.push(String(line)),
    changed() {
      received.push('changed')
      for (const tell of changes.splice(0)) tell()
    },
    nextChange: async () => await new Promise<void>((resolve) => changes.push(resolve)),
  }
}

export async function connectModernRecorder(url: string, name: string): Promise<RecordingClient> {
  const record = createRecord()
  const { received, note, nextChange } = record
  const client = new Client(INFO, {
    versionNegotiation: { mode: { pin: '2026-07-28' } },
    capabilities: { elicitation: { form: {} } },
  })
  client.setRequestHandler('elicitation/create', ({ params }) => {
    note(params.message)
    return { action: 'accept', content: { who: name } }
  })
  client.setNotificationHandler('notifications/message', ({ params }) => note(params.data))
  client.setNotificationHandler('notifications/tools/list_changed', () => record.changed())
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  await client.listen({ toolsListChanged: true })
  return {
    received,
    nextChange,
    async call(tool, args = {}) {
      const meta = { 'io.modelcontextprotocol/logLevel': 'info' }
      // The SDK itself says that it fulfils what is asked for.
      const onprogress = ({ message = '' }: { message?: string | undefined }): void => {
        if (!message.startsWith('Fulfilling')) note(message)
      }
      const { content } = await client.callTool({ name: tool, arguments: args, _meta: meta }, { onprogress })
      note(JSON.stringify(content))
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

export async function connectLegacyRecorder(url: string, name: string): Promise<RecordingClient> {
  const record = createRecord()
  const { received, note, nextChange } = record
  const client = new LegacyClient(INFO, { capabilities: { elicitation: {} } })
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    note(params.message)
    return { action: 'accept', content: { who: name } }
  })
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => note(params.data))
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => record.changed())
  await client.connect(new LegacyTransport(new URL(url)))
  await client.setLoggingLevel('info')
  return {
    received,
    nextChange,
    async call(tool, args = {}) {
      const onprogress = ({ message }: { message?: string | undefined }): void => note(message)
      const { content } = await client.callTool({ name: tool, arguments: args }, undefined, { onprogress })
      note(JSON.stringify(content))
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}
