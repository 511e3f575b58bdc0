import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CallOptions, startPrograms } from './startPrograms.ts'

const MINUTE_MS = 60_000
const CARRIED_OUT = 'before it had answered; what it was asked may have been carried out'

const ids = { last: 0 }
/** One who has no process yet. */
const newUser = (): string => `user${(ids.last += 1)}`

/** A call with all that is changed of it, and much that is not. */
function requestWith({ id, token, newline }: { id: string; token: string; newline: string }): string {
  return `{"jsonrpc":"2.0",${newline}"id":${id},"method":"tools/call","params":{"name":"who","_meta":{"progressToken":${token},"x":1.50},${newline}"arguments":{"a":[1e2,"\\n"]}}}`
}

describe('createPrograms', () => {
  let world: Awaited<ReturnType<typeof startPrograms>>
  beforeAll(async () => {
    world = await startPrograms()
  })
  afterAll(async () => await world.close())

  /** A call that is under way until the tool `letGo` is called. */
  async function hold(options: CallOptions = {}) {
    const answer = world.ask('hold', options).then(
      async (given) => await given.text(),
      (error: unknown) => String(error),
    )
    const process = await world.process(options.user ?? 'ada')
    await process.tells('holds')
    return { answer, process }
  }

  it('starts one process for all who ask for the same account at once, and another for each other account', async () => {
    const users = ['ada', 'ada', 'grace', 'ada', 'grace']
    const results = await Promise.all(users.map(async (user) => await world.call('who', { user })))
    expect(results.map(({ token }) => token)).toEqual(users.map((user) => `${user}-1`))
    expect(new Set(results.map(({ pid }) => pid)).size).toBe(2)
  })

  it('gives a process what the configuration and the account say, and nothing else of the gateway’s environment', async () => {
    vi.stubEnv('LATCHKEY_ENCRYPTION_KEYS', 'canary-keys')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'canary-cloud')
    vi.stubEnv('NODE_OPTIONS', '--no-deprecation')
    const environment = await world.call('environment', { user: 'edith' }).finally(() => vi.unstubAllEnvs())
    expect(JSON.stringify(environment)).not.toContain('canary')
    expect(environment).toMatchObject({ SERVICE_TOKEN: 'edith-1', CONFIGURED: 'configured', PATH: process.env['PATH'] })
    const given = ['SERVICE_TOKEN', 'CONFIGURED', 'TEST_PORT']
    const known = new Set(['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', ...given])
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([])
  })

  it('brings each answer to whoever asked, although all have chosen the same id', async () => {
    const all = [1, 1, 'one', 'one', 1]
    const answers = all.map(async (id) => await (await world.ask('hold', { id })).text())
    // A process reads what it is sent in the order in which it was sent.
    await world.call('letGo')
    const read = (await Promise.all(answers)).map((text): { id: unknown; result: { was: unknown } } => JSON.parse(text))
    expect(read.map(({ id }) => id)).toEqual(all)
    const sent = read.map(({ result }) => Number(result.was))
    expect(sent).toEqual(all.map((_, index) => (sent[0] ?? 0) + index))
  })

  it('changes nothing of an answer but the id', async () => {
    const text = '{"n":1.0,"big":12345678901234567890,"e":1E400,"ü":"\\u00fc","__proto__":{"a":1},"id":5,"n":2}'
    const answer = await world.ask('verbatim', { id: 'x', text })
    expect(await answer.text()).toBe(`{"jsonrpc":"2.0","id":"x","result":${text}}`)
  })

  it('sends a request as one line, and changes nothing of it but the id and the progress token', async () => {
    const answer = await world.send(requestWith({ id: '"mine"', token: '"t"', newline: '\r\n' }))
    const { result }: { result: { line: string } } = JSON.parse(await answer.text())
    const [, id = ''] = /"id":(\d+)/.exec(result.line) ?? []
    expect(result.line).toBe(requestWith({ id, token: id, newline: '  ' }))
  })

  it('goes on serving the others of a session that one of its clients does not need any more', async () => {
    const user = newUser()
    const [one, other] = [await world.initialize({ user }), await world.initialize({ user })]
    expect(one).toEqual(other)
    const { pid } = await world.call('who', { user, headers: other })
    expect((await world.endSession({ user, headers: one })).status).toBe(200)
    expect(await world.call('who', { user, headers: other })).toMatchObject({ pid })
  })

  it('ends a process that had nothing to do for five minutes, and no other, and starts it again when it is needed', async () => {
    const { clock, programs } = world
    const idle = newUser()
    await world.call('who', { user: idle })
    const calling = newUser()
    const busy = await hold({ user: calling })
    const first = await world.process(idle)
    clock.now += 5 * MINUTE_MS - 1
    programs.endIdle()
    expect((await world.call('who', { user: idle })).pid).toBe(first.pid)
    clock.now += 5 * MINUTE_MS
    programs.endIdle()
    await first.ended
    expect((await world.call('who', { user: idle })).pid).not.toBe(first.pid)
    expect((await world.call('who', { user: calling })).pid).toBe(busy.process.pid)
    process.kill(busy.process.pid, 'SIGKILL')
    expect(await busy.answer).toContain(`ended (SIGKILL) ${CARRIED_OUT}`)
  })

  it('asks a new process once there is a newer credential, and ends the old one when its last call is over', async () => {
    const user = newUser()
    const abort = new AbortController()
    const { process: first, answer } = await hold({ user, signal: abort.signal })
    expect((await world.call('who', { user, generation: 2 })).token).toBe(`${user}-2`)
    expect((await world.call('who', { user, generation: 1 })).token).toBe(`${user}-2`)
    abort.abort(new Error('gone'))
    expect(await answer).toBe('Error: gone')
    await first.ended
  })

  it('ends the processes of an account that is released, as soon as nothing is under way, and no other', async () => {
    const [user, other] = [newUser(), newUser()]
    const { pid } = await world.call('who', { user: other })
    const abort = new AbortController()
    const { process: first, answer } = await hold({ user, signal: abort.signal })
    world.programs.release(`ca_${user}`)
    abort.abort(new Error('disconnected'))
    expect(await answer).toBe('Error: disconnected')
    await first.ended
    expect((await world.call('who', { user: other })).pid).toBe(pid)
  })

  it('ends a process that was started while its account was taken away', async () => {
    const taken = newUser()
    const strict = await startPrograms({ isCurrent: async (id) => await Promise.resolve(id !== `ca_${taken}`) })
    await strict.call('who', { user: taken }).catch(() => undefined)
    await expect((await strict.process(taken)).ended).resolves.toBeUndefined()
    await strict.close()
  })

  it('tells a program that nobody waits any more, under the id that it knows', async () => {
    const abort = new AbortController()
    const { process: held } = await hold({ user: newUser(), signal: abort.signal, id: 'mine' })
    abort.abort(new Error('gone'))
    expect(await held.tells('heard')).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 1 } })
  })

  it('fails a call once where the program dies in the middle of it, and starts it again for the next', async () => {
    const user = newUser()
    await expect(world.ask('die', { user })).rejects.toThrow(`ended (exit code 3) ${CARRIED_OUT}`)
    const { pid } = await world.call('who', { user })
    expect((await world.process(user, 1)).pid).toBe(pid)
  })

  it('hears the last words of a program that ends', async () => {
    const { said } = await world.call('lastWords', { user: newUser() })
    expect(said).toHaveLength(100_000)
  })

  it.each([
    ['exits at once', 'who', { args: ['exits-at-once'] }, 'ended (exit code 5) before it had answered'],
    ['closes its output', 'closeOutput', {}, 'closed its input or its output before it had answered'],
    ['has closed its input', 'closeInput', {}, 'closed its input or its output before it had answered'],
  ])('says what happened where a program %s', async (_case, tool, options, message) => {
    const user = newUser()
    const asked = world.call(tool, { user, ...options })
    const last = tool === 'closeInput' ? asked.then(async () => await world.call('who', { user })) : asked
    await expect(last).rejects.toThrow(message)
  })

  it.each([
    ['there is no such program', { command: '/nowhere/program', args: [], cwd: '/', env: {} }, 'ENOENT'],
    ['an argument is none', { command: 'echo', args: ['\0'], cwd: '/', env: {} }, 'ERR_INVALID_ARG_VALUE'],
  ])('says that a program could not be started where %s', async (_case, program, code) => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}'
    const request = { body, partition: 'ca_nobody', program: { program, variables: {}, generation: 1 } }
    await expect(world.programs.send(request)).rejects.toThrow(`could not be started (${code})`)
  })

  it('lets an account have four busy processes and no more; an idle one makes room', async () => {
    const user = newUser()
    const busy = [1, 2, 3].map(async (kind) => await world.initialize({ user }, `kind ${kind}`))
    const sessions = await Promise.all(busy)
    const abort = new AbortController()
    for (const headers of sessions)
      void world.ask('hold', { user, headers, signal: abort.signal }).catch(() => undefined)
    await world.initialize({ user }, 'idle')
    const headers = await world.initialize({ user }, 'in its place')
    void world.ask('hold', { user, headers, signal: abort.signal }).catch(() => undefined)
    await expect(world.initialize({ user }, 'one more')).rejects.toThrow('runs 4 times for this account already')
    abort.abort()
    world.programs.release(`ca_${user}`)
  })

  it('lets no more run than it may, for all accounts together; an idle one makes room', async () => {
    const small = await startPrograms({ maxProcesses: 2 })
    await small.call('who', { user: 'idle' })
    const abort = new AbortController()
    const busy = ['one', 'two'].map(async (user) => await small.ask('hold', { user, signal: abort.signal }))
    await (
      await small.process('idle')
    ).ended
    await expect(small.call('who', { user: 'three' })).rejects.toThrow('has to wait: 2 programs run already')
    abort.abort(new Error('enough'))
    await Promise.allSettled(busy)
    expect(await small.call('who', { user: 'three' })).toMatchObject({ token: 'three-1' })
    await small.close()
  })

  describe('for a session of the 2025 era', () => {
    it('answers 404 once its process is gone, and starts none', async () => {
      const user = newUser()
      const headers = await world.initialize({ user })
      expect((await world.ask('who', { user, headers })).status).toBe(200)
      const first = await world.process(user)
      await expect(world.ask('die', { user, headers })).rejects.toThrow(CARRIED_OUT)
      await first.ended
      expect((await world.ask('who', { user, headers })).status).toBe(404)
    })

    it('is one process for all who begin it in the same way, and of no use to another account', async () => {
      const user = newUser()
      const [one, other] = await Promise.all([world.initialize({ user }), world.initialize({ user })])
      expect(other).toEqual(one)
      expect((await world.ask('who', { headers: one, user: 'grace' })).status).toBe(404)
    })

    it('hands on a question while one call is under way, and refuses it while there are several', async () => {
      const user = newUser()
      const headers = await world.initialize({ user })
      const asked = (await world.ask('ask', { user, headers })).stream().getReader()
      expect(new TextDecoder().decode((await asked.read()).value)).toContain('"id":"q-1","method":"elicitation/create"')
      void world.ask('ask', { user, headers }).catch(() => undefined)
      const heard = await (await world.process(user)).tells('heard')
      expect(heard).toMatchObject({ id: 'q-1', error: { code: -32_601 } })
    })

    it('hands on a log message while one call is under way, and to nobody while there are several', async () => {
      const user = newUser()
      const headers = await world.initialize({ user })
      const text = async () => await (await world.ask('log', { user, headers })).text()
      expect(await text()).toContain('logged')
      await hold({ user, headers })
      expect(await text()).not.toContain('logged')
    })

    it('tells those who listen what nobody has asked for', async () => {
      const user = newUser()
      const headers = await world.initialize({ user })
      const reader = (await world.listen({ user, headers })).stream().getReader()
      await world.call('announce', { user, headers })
      expect(new TextDecoder().decode((await reader.read()).value)).toContain('notifications/tools/list_changed')
    })
  })

  describe('T44, T45: in spite of a program that', () => {
    it.each([
      ['writes a line without end', 'endlessLine', 'sent a message of more than 10485760 bytes'],
      ['writes lines without end', 'endlessLines', 'writes without end what nobody has asked it for'],
      ['answers with more than can be looked at', 'manyMembers', 'more levels or values than the gateway takes'],
    ])('%s, serves everybody else, and ends it', async (_case, tool, message) => {
      const user = newUser()
      const before = process.memoryUsage.rss()
      const failed = world.ask(tool, { user }).then(() => '', String)
      const others: unknown[] = []
      const state = { isOver: false }
      void failed.then(() => (state.isOver = true))
      while (!state.isOver) others.push((await world.call('who', { user: 'grace' })).token)
      expect(await failed).toContain(message)
      expect(new Set(others)).toEqual(new Set(['grace-1']))
      expect(process.memoryUsage.rss() - before).toBeLessThan(160 * 1024 * 1024)
      await (
        await world.process(user)
      ).ended
    })

    it('writes errors without end, hears its answers', async () => {
      const user = newUser()
      expect(await world.call('endlessErrors', { user })).toEqual({ still: 'here' })
      expect(await world.call('verbatim', { user, text: '{"a":1}' })).toEqual({ a: 1 })
      world.programs.release(`ca_${user}`)
    })

    it('answers under ids that nobody has asked with, takes the right answer', async () => {
      await world.call('who')
      expect(await world.call('wrongIds')).toEqual({ wrong: false })
    })

    it('answers more than was allowed, fails that answer and goes on', async () => {
      const answer = await world.ask('large', { text: '3000', maxBytes: 2_000 })
      await expect(answer.text()).rejects.toMatchObject({ code: 'upstream_invalid', maxBytes: 2_000 })
      expect(await world.call('large', { text: '1000', maxBytes: 2_000 })).toEqual({ text: 'x'.repeat(1_000) })
    })

    it('writes its answer byte by byte, reads it', async () => {
      expect(await world.call('byteByByte')).toEqual({ slow: true })
    })

    it('asks before it has read what it was sent, answers it all the same', async () => {
      const user = newUser()
      const held = await hold({ user })
      const { pid } = await world.call('who', { user })
      await world.call('hesitate', { user })
      const long = world.call('who', { user, text: 'x'.repeat(1024 * 1024) })
      process.kill(Number(pid), 'SIGUSR2')
      // What comes after the question has come, and so has the question.
      expect(await held.answer).toContain('"asked":true')
      process.kill(Number(pid), 'SIGUSR2')
      expect(await long).toMatchObject({ pid })
      expect(await held.process.tells('heard')).toMatchObject({ id: 'q-1', error: { code: -32_601 } })
    })

    it('does not read what it is sent, keeps no more of it than is allowed', async () => {
      const user = newUser()
      const abort = new AbortController()
      await world.call('deaf', { user })
      const text = 'x'.repeat(4 * 1024 * 1024)
      const outcomes = Array.from(
        { length: 6 },
        async () => await world.ask('who', { user, text, signal: abort.signal }).then(() => 'answered', String),
      )
      expect(await Promise.race(outcomes)).toContain('does not read what it is sent')
      abort.abort(new Error('enough'))
      expect((await Promise.all(outcomes)).filter((outcome) => outcome === 'Error: enough')).toHaveLength(3)
    })

    it('does not end when it is asked to, ends it, with what it has started', async () => {
      const own = await startPrograms()
      await own.call('child', { user: 'stubborn', args: ['stubborn'] })
      const [first, child] = [await own.process('stubborn'), await own.process('stubborn', 1)]
      await own.close()
      await Promise.all([first.ended, child.ended])
      expect(await first.tells('ignores')).toBe('SIGTERM')
      await expect(own.call('who')).rejects.toThrow('the gateway is closing')
    })
  })
})
