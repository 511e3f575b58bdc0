import { createLatchkey, type Latchkey } from '@latchkey/core'
import {
  type AuthorizationServer,
  type CalendarServer,
  type DirectoryServer,
  type RunningGateway,
  startAuthorizationServer,
  startCalendarServer,
  startDirectoryServer,
  startGateway,
  startMailServer,
  type Upstream,
} from '@latchkey/test/fixtures'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The MCP config: what an e-mail agent may use. Everything else that the services offer does not exist for it. */
export const CONFIG_NAME = 'email-agent'
export const ALLOWED_TOOLS = {
  mail: ['search_mail', 'read_mail', 'send_mail'],
  calendar: ['list_events', 'create_event', 'find_free_time'],
  directory: '*' as const,
}

/** Every part of the demo, all of them real and all of them on this machine. */
export interface World extends AsyncDisposable {
  readonly gateway: RunningGateway
  readonly authorizationServer: AuthorizationServer
  readonly mail: Upstream
  readonly calendar: CalendarServer
  readonly directory: DirectoryServer
  /** The app's side: what a program that wants users' tools has. */
  readonly latchkey: Latchkey
  readonly folder: string
}

export async function startWorld(): Promise<World> {
  // What has been started is closed again, in reverse: here if a later part fails to start, else with the world.
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
  started.defer(async () => await rm(folder, { recursive: true, force: true }))
  const authorizationServer = started.use(await startAuthorizationServer())
  const mail = started.use(await startMailServer(authorizationServer))
  const calendar = started.use(await startCalendarServer(authorizationServer))
  const directory = started.use(await startDirectoryServer())

  const gateway = started.use(
    await startGateway(async (publicUrl) => ({
      database: `sqlite:${join(folder, 'latchkey.db')}`,
      connections: {
        // At the mail service, somebody has registered the gateway in advance …
        mail: {
          provider: 'acme-mail',
          displayName: 'Acme Mail',
          mcpServerUrl: mail.url,
          auth: {
            type: 'oauth2',
            ...(await authorizationServer.addClient({ redirectUris: [`${publicUrl}/oauth/callback`] })),
          },
        },
        // … at the calendar service, it registers itself.
        calendar: {
          provider: 'acme-calendar',
          displayName: 'Acme Calendar',
          mcpServerUrl: calendar.url,
          auth: { type: 'oauth2' },
        },
        directory: {
          provider: 'acme-directory',
          displayName: 'Acme Directory',
          mcpServerUrl: directory.url,
          auth: { type: 'api_key', header: directory.header },
        },
      },
      configs: { [CONFIG_NAME]: ALLOWED_TOOLS },
    })),
  )

  const { url, clientId, clientSecret } = gateway
  const latchkey = started.use(createLatchkey({ url, clientId, clientSecret, config: CONFIG_NAME }))

  const owned = started.move()

  return {
    gateway,
    authorizationServer,
    mail,
    calendar,
    directory,
    latchkey,
    folder,
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
