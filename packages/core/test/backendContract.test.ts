import { describe, expect, it } from 'vitest'
import { composio, scalekit, staticBackend, type UserTools } from '../src/index.ts'
import { backendContract, createScriptedBackend, type BackendSubject } from '../src/testing/index.ts'
import { answerMcp } from '../src/testing/scriptedEndpoint.ts'
import { ComposioStandIn } from './fixtures/composioStandIn.ts'
import { ScalekitStandIn } from './fixtures/scalekitStandIn.ts'

const SUBJECTS: Readonly<Record<string, BackendSubject>> = {
  createScriptedBackend: scripted(),
  'scalekit with session tokens': scalekitSubject('session-token'),
  'scalekit with instance URLs': scalekitSubject('url'),
  composio: composioSubject(),
  staticBackend: staticSubject(),
}

for (const [name, subject] of Object.entries(SUBJECTS)) {
  describe(`the contract of backends, with ${name}`, () => {
    for (const { name: promise, skipped, run } of backendContract(subject))
      it.skipIf(skipped)(`${name} ${promise}`, async () => {
        await expect(run()).resolves.toBeUndefined()
      })
  })
}

async function whoami({ tools }: UserTools): Promise<string> {
  const result = await tools.find(({ mcpName }) => mcpName === 'whoami')?.call({})
  const [content] = result?.content ?? []
  return content?.type === 'text' ? content.text : 'nobody'
}

function scripted(): BackendSubject {
  const backend = createScriptedBackend()
  return {
    configName: 'scripted',
    open: () => backend.reopen(),
    fetch: backend.fetch,
    identify: whoami,
    authorize: (user) => backend.setStatus(user, 'mail', 'ACTIVE'),
    endTokens: () => backend.endSessionTokens(),
    offline: true,
  }
}

function scalekitSubject(credential: 'session-token' | 'url'): BackendSubject {
  const service = new ScalekitStandIn()
  const { origin: environmentUrl, clientId, clientSecret } = service
  return {
    configName: service.configName,
    open: (seams) => scalekit({ environmentUrl, clientId, clientSecret, credential, ...seams }),
    fetch: service.fetch,
    identify: whoami,
    authorize: (user) => service.authorize(user),
    endTokens: () => service.endTokens(),
    mintsLinks: ({ body }) => /"include_auth_links?":true/.test(body),
  }
}

function composioSubject(): BackendSubject {
  const service = new ComposioStandIn()
  return {
    configName: service.configName,
    open: (seams) => composio({ apiKey: service.apiKey, ...seams }),
    fetch: service.fetch,
    identify: whoami,
    authorize: (user) => service.authorize(user),
    mintsLinks: ({ url }) => url.endsWith('/connected_accounts/link'),
  }
}

function staticSubject(): BackendSubject {
  let generation = 0
  const headers = () => ({ 'x-api-key': `key-${generation}` })
  return {
    configName: 'static',
    open: () => staticBackend((user) => ({ url: `https://mcp.example/${encodeURIComponent(user)}`, headers })),
    async fetch(url, { headers: sent, body } = {}) {
      if (new Headers(sent).get('x-api-key') !== `key-${generation}`) return new Response('', { status: 401 })
      const userIdentifier = decodeURIComponent(new URL(url).pathname.slice(1))
      return await answerMcp(typeof body === 'string' ? body : '', {
        userIdentifier,
        tools: { whoami: () => userIdentifier },
      })
    },
    identify: whoami,
    endTokens: () => void (generation += 1),
    offline: true,
    anyConfig: true,
  }
}
