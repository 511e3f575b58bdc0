import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type AgentClient, type AgentClientKind, type Door, failureOf, outcomeOf } from './agentClient.ts'

const INFO = { name: 'matrix', version: '1.0.0' }

const ALL = { progress: true, signal: true, prompts: true, resources: true }

/** The official SDK: version 1; version 2 of each era, and as it finds out for itself. */
export const officialClients: readonly AgentClientKind[] = [
  { name: '@modelcontextprotocol/sdk (v1)', can: ALL, connect: connectLegacy },
  modern('2026-07-28', { pin: '2026-07-28' }),
  modern('what it finds out', 'auto'),
  modern('2025-11-25', 'legacy'),
]

function modern(what: string, mode: 'auto' | 'legacy' | { pin: string }): AgentClientKind {
  return {
    name: `@modelcontextprotocol/client (v2, ${what})`,
    can: ALL,
    connect: (door) => connectModern(door, mode),
  }
}

async function connectModern({ url, headers }: Door, mode: 'auto' | 'legacy' | { pin: string }): Promise<AgentClient> {
  const client = new Client(INFO, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args = {}, { signal, onProgress } = {}) =>
      client
        .callTool(
          { name, arguments: args },
          {
            ...(signal && { signal }),
            ...(onProgress && { onprogress: ({ progress }) => onProgress(progress) }),
          },
        )
        .then(outcomeOf, failureOf),
    ...otherThings(client),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

async function connectLegacy({ url, headers }: Door): Promise<AgentClient> {
  const client = new LegacyClient(INFO)
  await client.connect(new LegacyTransport(new URL(url), { requestInit: { headers } }))
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args = {}, { signal, onProgress } = {}) =>
      client
        .callTool({ name, arguments: args }, undefined, {
          ...(signal && { signal }),
          ...(onProgress && { onprogress: ({ progress }) => onProgress(progress) }),
        })
        .then(outcomeOf, failureOf),
    ...otherThings(client),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** What both versions of the SDK do in the same way. */
function otherThings(
  client: Pick<Client | LegacyClient, 'listPrompts' | 'getPrompt' | 'listResources' | 'readResource'>,
) {
  return {
    prompts: {
      list: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
      get: async (name: string, args: Record<string, string>) =>
        JSON.stringify((await client.getPrompt({ name, arguments: args })).messages),
    },
    resources: {
      list: async () => (await client.listResources()).resources.map(({ uri }) => uri),
      read: async (uri: string) => JSON.stringify((await client.readResource({ uri })).contents),
    },
  }
}
