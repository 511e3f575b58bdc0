import { latchkeyGateway, scalekit, type UserTools } from '@latchkey/core'
import { backendContract, type BackendSubject } from '@latchkey/core/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  consentAs,
  startDirectoryServer,
  startGateway,
  type DirectoryServer,
  type RunningGateway,
} from './fixtures/index.ts'

const CONFIG = 'people-agent'

/** The contract of backends, over HTTP, against the real gateway: with its own backend, and with the hosted service's. */
describe('a running gateway', () => {
  let directory: DirectoryServer
  let gateway: RunningGateway

  beforeAll(async () => {
    directory = await startDirectoryServer()
    gateway = await startGateway({
      connections: {
        directory: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } },
      },
      configs: { [CONFIG]: { directory: '*' } },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await directory.close()
  })

  async function authorize(user: string): Promise<void> {
    const { url, clientId, clientSecret } = gateway
    const backend = latchkeyGateway({ url, clientId, clientSecret })
    const { instance } = await backend.ensureInstance({ configName: CONFIG, userIdentifier: user })
    for (const { authenticationLink = '' } of await backend.getAuthState(instance.id, { includeAuthLinks: true }))
      await consentAs(user, authenticationLink, { apiKey: directory.keys.issue(user) })
    await backend.close()
  }

  const subject = (open: BackendSubject['open']): BackendSubject => ({
    configName: CONFIG,
    open,
    identify,
    authorize,
    mintsLinks: ({ body }) => /"include_auth_links?":true/.test(body),
  })

  const subjects: Readonly<Record<string, BackendSubject>> = {
    latchkeyGateway: subject((seams) => latchkeyGateway({ ...credentialsOf(gateway), ...seams })),
    'scalekit with session tokens': subject((seams) => scalekit({ ...environmentOf(gateway), ...seams })),
    'scalekit with instance URLs': subject((seams) =>
      scalekit({ ...environmentOf(gateway), credential: 'url', ...seams }),
    ),
  }
  for (const [name, tried] of Object.entries(subjects)) {
    describe(`the contract of backends, with ${name}`, () => {
      for (const { name: promise, skipped, run } of backendContract(tried))
        it.skipIf(skipped)(`${name} ${promise}`, async () => {
          await expect(run()).resolves.toBeUndefined()
        })
    })
  }
})

function credentialsOf({ url, clientId, clientSecret }: RunningGateway) {
  return { url, clientId, clientSecret }
}

function environmentOf({ url: environmentUrl, clientId, clientSecret }: RunningGateway) {
  return { environmentUrl, clientId, clientSecret }
}

const whoamiSchema = z.object({ structuredContent: z.object({ user: z.string() }) })

async function identify({ tools }: UserTools): Promise<string> {
  const whoami = tools.find(({ mcpName }) => mcpName === 'whoami')
  return whoamiSchema.parse(await whoami?.call({})).structuredContent.user
}
