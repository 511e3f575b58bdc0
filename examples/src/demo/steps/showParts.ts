import { fact, section } from '../../world/print.ts'
import type { World } from '../world.ts'

/** 1. What is running, and where. */
export function showParts({ gateway, authorizationServer, mail, calendar, directory, folder }: World): void {
  section(1, 'Everything is real, and on this machine')
  fact('gateway', gateway.url, `embedded SQLite in ${folder}`)
  fact('sign-in', authorizationServer.issuer, 'the npm package oidc-provider')
  fact('mail', mail.url, 'OAuth; a mailbox for each user')
  fact('calendar', calendar.url, 'OAuth; a calendar for each user')
  fact('directory', directory.url, `an API key for each user, in ${directory.header}`)
}
