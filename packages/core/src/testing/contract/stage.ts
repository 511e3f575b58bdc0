import { ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import type { Backend } from '../../backends/backend.ts'
import { createLatchkey } from '../../createLatchkey.ts'
import { LatchkeyError, type LatchkeyErrorCode } from '../../errors.ts'
import type { Latchkey } from '../../latchkey.ts'
import { ManualTiming } from '../manualTiming.ts'
import type { BackendSubject } from './backendSubject.ts'
import { Network } from './network.ts'

/** What one case has: a clock, a network, users of its own. Everything that it opens is closed with it. */
export class Stage implements AsyncDisposable {
  readonly subject: BackendSubject
  readonly timing = new ManualTiming()
  readonly network: Network
  readonly #opened: { close(): Promise<void> }[] = []

  constructor(subject: BackendSubject) {
    this.subject = subject
    this.network = new Network(subject.fetch)
  }

  /** The backend as another process has it. */
  async open(): Promise<Backend> {
    const backend = await this.subject.open({ fetch: this.network.fetch, timing: this.timing })
    this.#opened.push(backend)
    return backend
  }

  /** A Latchkey as another process has it. */
  async latchkey(): Promise<Latchkey> {
    const { timing, network, subject } = this
    const backend = await this.open()
    const options = { backend, timing, fetch: network.fetch, config: subject.configName, env: {} }
    const latchkey = createLatchkey(options)
    this.#opened.push(latchkey)
    return latchkey
  }

  user(name = 'user'): string {
    return `${name}-${randomUUID()}`
  }

  /** A user who has authorized everything. */
  async readyUser(name?: string): Promise<string> {
    const userIdentifier = this.user(name)
    await this.subject.authorize?.(userIdentifier)
    return userIdentifier
  }

  ensure(backend: Backend, userIdentifier: string) {
    return backend.ensureInstance({ configName: this.subject.configName, userIdentifier })
  }

  /** Who the user's tools act for, in a process that has just started. */
  async identityOf(userIdentifier: string): Promise<string> {
    const latchkey = await this.latchkey()
    return await this.timing.passing(latchkey.userTools(userIdentifier).then((tools) => this.subject.identify(tools)))
  }

  /** The error that it rejects with: a `LatchkeyError` with one of these codes, and no secret in it. */
  async failure(
    doing: string,
    promise: Promise<unknown>,
    codes?: readonly LatchkeyErrorCode[],
  ): Promise<LatchkeyError> {
    const outcome = await this.timing.passing(outcomeOf(promise))
    ok('error' in outcome, `${doing} did not fail`)
    return this.checkError(doing, outcome.error, codes)
  }

  checkError(doing: string, error: unknown, codes?: readonly LatchkeyErrorCode[]): LatchkeyError {
    ok(error instanceof LatchkeyError, `${doing} failed with what is no LatchkeyError: ${inspect(error)}`)
    ok(
      !codes || codes.includes(error.code),
      `${doing} failed with ${error.code}, not ${codes?.join(' or ')}: ${error.message}`,
    )
    this.expectNoSecret(doing, error)
    return error
  }

  /** Nothing that was sent as a credential shows in what a program is likely to print of a value. */
  expectNoSecret(doing: string, value: unknown): void {
    const printed = [
      inspect(value, { depth: 8 }),
      JSON.stringify(value),
      value instanceof Error ? value.stack : '',
    ].join('\n')
    const shown = [...this.#secrets()].filter((secret) => printed.includes(secret))
    ok(shown.length === 0, `${doing} shows ${shown.length} secret(s) that were sent`)
  }

  *#secrets(): Generator<string> {
    for (const { headers, body } of this.network.sent) {
      for (const name of SECRET_HEADERS) {
        const value = headers[name]?.replace(/^Bearer /, '')
        if (value) yield value
      }
      const secret = new URLSearchParams(body).get('client_secret')
      if (secret) yield secret
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.network.tap = undefined
    for (const one of this.#opened.toReversed()) await one.close()
  }
}

const SECRET_HEADERS = ['authorization', 'x-api-key', 'cookie']

export type Outcome<T> = { readonly value: T } | { readonly error: unknown }

export async function outcomeOf<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}
