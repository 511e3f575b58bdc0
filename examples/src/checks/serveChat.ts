import { once } from 'node:events'
import { fact } from '../world/print.ts'
import { PASSWORDS, startChat } from '../world/startChat.ts'

/** Serves the chat to whoever sits here. Its check, in a real browser, is `test/src/chatServer.test.ts`. */
export async function serveChat(): Promise<void> {
  await using chat = await startChat()
  fact('open', chat.origin, 'in two browsers, for two users')
  for (const [name, password] of Object.entries(PASSWORDS)) fact('sign in', name, password)
  fact('at Acme', 'any name will do', 'it is the account that you connect')
  fact('to end it', 'Ctrl-C')
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}
