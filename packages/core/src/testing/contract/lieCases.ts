import { equal, ok } from 'node:assert/strict'
import type { ContractCase } from './contractCase.ts'
import { isAboutToken } from './network.ts'
import { outcomeOf, type Stage } from './stage.ts'

const NO_ANSWERS = ['', 'null', '[]', '{}', '42', '"yes"', '<html>hello</html>', '{"a":', '{"items":null,"configs":{}}']
const ORIGINS = /"https?:\/\/[^/"]+/g

/** Answers that are not true, or not answers. */
export const lieCases: readonly ContractCase[] = [
  {
    name: 'is not ready when the service answers what is no answer',
    needs: ['requests'],
    async run(stage) {
      const user = await stage.readyUser()
      for (const body of NO_ANSWERS) {
        const latchkey = await stage.latchkey()
        stage.network.answer((request) =>
          isAboutToken(request) ? undefined : new Response(body, { headers: { 'content-type': 'application/json' } }),
        )
        const codes = ['invalid_response', 'unknown_config', 'authorization_required', 'rejected'] as const
        await stage.failure(`an answer ${JSON.stringify(body)}`, latchkey.ready(user), codes)
        stage.network.tap = undefined
      }
    },
  },
  {
    name: 'is not ready when the status is one that it does not know',
    needs: ['authorize', 'requests'],
    async run(stage) {
      const user = await stage.readyUser()
      stage.network.rewrite((body) => body.replaceAll('"ACTIVE"', '"ACTIVATED"'))
      const latchkey = await stage.latchkey()
      await stage.failure('ready', latchkey.ready(user), ['authorization_required'])
    },
  },
  {
    name: 'works as before when answers have fields that it does not know',
    needs: ['requests'],
    async run(stage) {
      const user = await stage.readyUser()
      stage.network.rewrite((body) => JSON.stringify(withMore(JSON.parse(body))))
      equal(await stage.identityOf(user), user)
    },
  },
  {
    name: 'fails with its own error, or does without, when any one field is missing',
    needs: ['requests'],
    async run(stage) {
      const user = await stage.readyUser()
      const fields = new Set<string>()
      stage.network.rewrite((body) => {
        for (const field of fieldsOf(JSON.parse(body))) fields.add(field)
        return body
      })
      await stage.identityOf(user)
      for (const field of fields) {
        stage.network.rewrite((body) => JSON.stringify(without(JSON.parse(body), field)))
        await expectNobodyElse(stage, user, `an answer without ${field}`)
      }
    },
  },
  {
    name: 'sends nothing to an address that is not safe, whatever the answer says',
    needs: ['requests'],
    async run(stage) {
      const user = await stage.readyUser()
      stage.network.rewrite((body) => body.replaceAll(ORIGINS, '"http://attacker.invalid'))
      const latchkey = await stage.latchkey()
      const before = stage.network.sent.length
      await stage.failure('ready', latchkey.ready(user), ['invalid_response'])
      for (const { url } of stage.network.sent.slice(before))
        ok(!url.includes('attacker.invalid'), 'something was sent to it')
    },
  },
  {
    name: 'never acts for another user when it is answered about one',
    needs: ['requests'],
    async run(stage) {
      const [a, b] = [await stage.readyUser('a'), await stage.readyUser('b')]
      const answers = new Map<string, string[]>()
      stage.network.rewrite((body, { method, url }) => {
        const key = `${method} ${url}`
        answers.set(key, [...(answers.get(key) ?? []), body])
        return body
      })
      equal(await stage.identityOf(b), b)
      const asB = (url: string) => url.replaceAll(encodeURIComponent(a), encodeURIComponent(b))
      stage.network.rewrite((body, { method, url }) => answers.get(`${method} ${asB(url)}`)?.shift() ?? body)
      await expectNobodyElse(stage, a, 'the answers about another user')
    },
  },
  {
    name: 'asks for no new token at each call when tokens seem to have ended already',
    needs: ['requests'],
    async run(stage) {
      const { network, subject, timing } = stage
      const user = await stage.readyUser()
      network.rewrite((body) => body.replaceAll(/"(expires_at|expiry)":"[^"]*"/g, '"$1":"2000-01-01T00:00:00Z"'))
      const latchkey = await stage.latchkey()
      const tools = await timing.passing(latchkey.userTools(user))
      const before = network.asked.length
      for (let call = 0; call < 5; call += 1) equal(await subject.identify(tools), user)
      equal(network.asked.length, before)
    },
  },
]

/** It fails as it may, or gives no tools, or those of this user after all. */
async function expectNobodyElse(stage: Stage, user: string, doing: string): Promise<void> {
  const latchkey = await stage.latchkey()
  const outcome = await stage.timing.passing(outcomeOf(latchkey.userTools(user)))
  if ('error' in outcome) stage.checkError(doing, outcome.error)
  else if (outcome.value.tools.length > 0)
    equal(await stage.subject.identify(outcome.value), user, `${doing} gave another user's tools`)
}

function fieldsOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(fieldsOf)
  return Array.isArray(value) ? inner : [...Object.keys(value), ...inner]
}

function without(value: unknown, field: string): unknown {
  return mapped(value, (entries) => entries.filter(([name]) => name !== field))
}

function withMore(value: unknown): unknown {
  return mapped(value, (entries) => [...entries, ['a_new_field', { and: ['more'] }]])
}

type Entry = readonly [name: string, value: unknown]

function mapped(value: unknown, change: (entries: readonly Entry[]) => readonly Entry[]): unknown {
  if (Array.isArray(value)) return value.map((item) => mapped(item, change))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, inner]): Entry => [name, mapped(inner, change)])
  return Object.fromEntries(change(entries))
}
