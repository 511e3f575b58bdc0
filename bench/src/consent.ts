import { createLatchkey } from '@latchkey/core'
import { consentAs, startStack, temporaryFolder } from '@latchkey/test/fixtures'
import { runHalf } from '@latchkey/test/run-half'
import { join } from 'node:path'
import type { Benchmark, Figures } from './benchmark.ts'

const FRAMEWORKS = ['langchain', 'ai-sdk', 'mastra', 'openai-agents'] as const
const MAIL = { to: 'x@y.example', subject: 's', body: 'b' }

/** A run that stops for consent, is kept, and goes on in another process: how often its call reached the upstream. */
export const consent: Benchmark = {
  name: 'consent',
  title:
    'runs that are interrupted for consent and resumed in another process: how often the upstream executed the call',
  async run(say) {
    await using stack = await startStack({ configs: { mail: { mail: ['send_mail', 'whoami'] } } })
    await using folder = await temporaryFolder()
    const { url, clientId, clientSecret } = stack.gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config: 'mail' })
    const figures: Figures = {}
    for (const framework of FRAMEWORKS) {
      const user = `user-of-${framework}`
      const { id } = await latchkey.ensureInstance(user)
      const [state] = await latchkey.getAuthState(id, { includeAuthLinks: true })
      await consentAs(user, state?.authenticationLink ?? '')
      const app = { url, clientId, clientSecret, config: 'mail' }
      const run = { ...app, framework, user, tool: 'send_mail', args: MAIL, file: join(folder.path, framework) }
      const begun = await runHalf({ ...run, half: 'begin' }, () => stack.authorizationServer.revokeUser(user))
      await consentAs(user, begun.links[0] ?? '')
      await runHalf({ ...run, half: 'resume' })
      say(`${framework} was interrupted once and resumed`)
      figures[`consent.resume_upstream_calls.${framework}`] = stack.mail.calls.count(user, 'send_mail')
    }
    // Where they differ, the one that is wrong.
    const calls = Object.values(figures).find((count) => count !== 1) ?? 1
    return { 'consent.resume_upstream_calls': calls, ...figures }
  },
}
