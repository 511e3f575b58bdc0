import { createLatchkey, type Latchkey } from '@latchkey/core'
import { consentAs, createDemoApp, createHttpBrowser, listen, type Stack, startStack } from '@latchkey/test/fixtures'
import { type ScriptedModel, startScriptedModel } from './startScriptedModel.ts'

/** The MCP config: what the examples' agents may use. */
const CONFIG = 'assistant'
const TOOLS = {
  mail: ['search_mail', 'read_mail', 'send_mail'],
  calendar: ['list_events', 'create_event'],
} as const

/** Everything that an example runs in, all of it real (but for the model, without a key) and on this machine. */
export interface ExampleWorld extends AsyncDisposable {
  /** The gateway, the authorization server, and the MCP servers behind it. */
  readonly stack: Stack
  /** The app, as a program sees it: the address of its pages, and its Latchkey. */
  readonly origin: string
  readonly latchkey: Latchkey
  /** What programs read from their environment. */
  readonly env: Readonly<Record<string, string>>
  /** Undefined where there is a key for a real one. */
  readonly model: ScriptedModel | undefined
  /** Connects an account as its user would: opens the link where they are signed in to the world's own app, and consents. */
  connect(user: string, link: string): Promise<void>
  /** The same for all that an agent of this user needs. */
  connectAll(user: string): Promise<void>
}

/** Starts all of it. The app is one where users sign in and connect their accounts, or another one that is at `origin`. */
export async function startExampleWorld(app: { origin?: string } = {}): Promise<ExampleWorld> {
  await using starting = new AsyncDisposableStack()
  const ready = Promise.withResolvers<ReturnType<typeof createDemoApp>>()
  // The gateway must know where the app is, and the app where the gateway is.
  const demo = app.origin ? undefined : await listen(async (request) => await (await ready.promise).fetch(request))
  if (demo) starting.defer(demo.close)
  const origin = app.origin ?? demo?.origin ?? ''
  const userVerification = { url: `${origin}/latchkey/callback` }
  const stack = starting.use(await startStack({ configs: { [CONFIG]: TOOLS }, config: CONFIG, userVerification }))
  const model = process.env['OPENAI_API_KEY'] ? undefined : starting.use(await startScriptedModel())

  const { url, clientId, clientSecret } = stack.gateway
  const startUrl = `${origin}/latchkey/start`
  const latchkey = starting.use(createLatchkey({ url, clientId, clientSecret, config: CONFIG, startUrl }))
  const env = {
    LATCHKEY_URL: url,
    LATCHKEY_CLIENT_ID: clientId,
    LATCHKEY_CLIENT_SECRET: clientSecret,
    LATCHKEY_CONFIG: CONFIG,
    LATCHKEY_START_URL: startUrl,
    ...modelEnvironment(model),
  }
  if (demo) ready.resolve(createDemoApp({ latchkey: () => latchkey, origin }))

  async function connect(user: string, link: string): Promise<void> {
    const browser = createHttpBrowser()
    await browser.open(`${origin}/sign-in/${user}`)
    const { title } = await consentAs(user, link, { browser })
    if (title !== 'Your account is connected') throw new Error(`${user} could not connect an account: ${title}`)
  }

  const owned = starting.move()
  return {
    stack,
    origin,
    latchkey,
    env,
    model,
    connect,
    async connectAll(user) {
      for (const connection of Object.keys(TOOLS)) await connect(user, `${startUrl}?connection=${connection}`)
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

function modelEnvironment(model: ScriptedModel | undefined): Record<string, string> {
  if (model) return { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'none', OPENAI_AGENTS_DISABLE_TRACING: '1' }
  const { OPENAI_API_KEY = '', OPENAI_BASE_URL } = process.env
  return { OPENAI_API_KEY, ...(OPENAI_BASE_URL && { OPENAI_BASE_URL }) }
}
