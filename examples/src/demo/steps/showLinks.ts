import { spawn } from 'node:child_process'
import { fact } from '../../world/print.ts'
import type { World } from '../world.ts'
import type { PendingTools } from './askForTools.ts'

/**
 * With `--open`: opens the links where a desktop is there. They are for the person who reads this, so here they are
 * shown as they are.
 */
export function showLinks({ directory }: World, { person, connections }: PendingTools<unknown>): void {
  fact(person.userIdentifier, `signs in as "${person.account}", and allows`)
  for (const { connectionName, authenticationLink = '' } of connections) {
    fact(connectionName, authenticationLink)
    openOnDesktop(authenticationLink)
  }
  fact('API key', directory.keys.issue(person.account), 'type it where the page asks for a key')
}

/** Does nothing on a machine without a desktop: the links are on the screen. */
function openOnDesktop(url: string): void {
  const command = openerFor(process.platform)
  const [program, ...args] = command
  if (program === undefined) return
  const opener = spawn(program, [...args, url], { stdio: 'ignore', detached: true })
  opener.on('error', () => {})
  opener.unref()
}

function openerFor(platform: NodeJS.Platform): readonly string[] {
  if (platform === 'darwin') return ['open']
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'] ? ['xdg-open'] : []
}
