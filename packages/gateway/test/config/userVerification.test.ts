import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { verifyUrlProblem } from '../../src/config/verifyUrls.ts'

const OPTIONS = {
  clients: [{ clientId: 'app', clientSecret: 'secret' }],
  connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
}
const PUBLIC = { ...OPTIONS, publicUrl: 'https://latchkey.example' }
const LOCAL = { ...OPTIONS, publicUrl: 'http://127.0.0.1:8787' }
const APP = 'https://app.example/latchkey/callback'

const parse = (options: object) => parseOptions(options, { environment: {} })

describe('userVerification', () => {
  it('T20: has to be decided by name where the gateway is public, and both ways are told', () => {
    expect(() => parse(PUBLIC)).toThrow(/userVerification: is missing.*"url": "https:.*or "off"/)
    expect(parse({ ...PUBLIC, userVerification: 'off' }).userVerification).toBeUndefined()
    expect(parse({ ...PUBLIC, userVerification: { url: APP } }).userVerification).toEqual({
      url: APP,
      allowedOrigins: ['https://app.example'],
    })
  })

  it.each(['http://127.0.0.1:8787', 'http://localhost:1', 'https://localhost'])(
    'is off on %s unless it is asked for',
    (publicUrl) => {
      expect(parse({ ...LOCAL, publicUrl }).userVerification).toBeUndefined()
      expect(parse({ ...LOCAL, publicUrl, userVerification: { url: APP } }).userVerification?.url).toBe(APP)
    },
  )

  it('names further origins that links may lead to', () => {
    const allowedOrigins = ['https://staging.example', 'https://app.example']
    expect(
      parse({ ...PUBLIC, userVerification: { url: APP, allowedOrigins } }).userVerification?.allowedOrigins,
    ).toEqual(['https://app.example', 'https://staging.example'])
  })

  it.each([
    ['nothing of the kind', 'on'],
    ['no URL', { url: 'app.example' }],
    ['no url', {}],
    ['plain http', { url: 'http://app.example/cb' }],
    ['a script', { url: 'javascript:alert(1)' }],
    ['credentials', { url: 'https://u:p@app.example/cb' }],
    ['a fragment', { url: `${APP}#x` }],
    ['an origin with a path', { url: APP, allowedOrigins: ['https://staging.example/x'] }],
    ['a plain origin', { url: APP, allowedOrigins: ['http://staging.example'] }],
    ['every origin', { url: APP, allowedOrigins: ['*'] }],
  ])('refuses %s', (_case, userVerification) => {
    expect(() => parse({ ...PUBLIC, userVerification })).toThrow(/userVerification/)
  })
})

describe('verifyUrlProblem', () => {
  const atPublic = parse({ ...PUBLIC, userVerification: { url: APP, allowedOrigins: ['https://b.example:8443'] } })
  const local = parse(LOCAL)

  it.each([
    APP,
    'https://app.example',
    'https://app.example/',
    'https://app.example?tenant=1',
    'https://app.example/other/path?tenant=a%20b&x=%C3%A9',
    'https://b.example:8443/cb',
  ])('T30: allows %s, whose origin is on the list', (url) => {
    expect(verifyUrlProblem(url, atPublic)).toBeUndefined()
  })

  it.each([
    '',
    '/latchkey/callback',
    '//evil.example/cb',
    '\\\\evil.example/cb',
    'https:\\\\app.example/cb',
    'https:/app.example/cb',
    'https:app.example/cb',
    'https://app.example\\@evil.example/cb',
    'https://app.example@evil.example/cb',
    'https://app.example:pass@evil.example/cb',
    'https://user@app.example/cb',
    'https://evil.example%2f@app.example/cb',
    'https://app.example%2fevil.example/cb',
    'https://app.example/%2f%2fevil.example',
    'https://app.example/%5Cevil.example',
    'https://app.example//evil.example',
    'https://app.example/cb#fragment',
    'https://app.example.evil.example/cb',
    'https://evilapp.example/cb',
    'https://app.example:444/cb',
    'https://b.example/cb',
    'https://APP.example/cb',
    ' https://app.example/cb',
    'https://app.example/c b',
    'https://app.example/cb\n',
    'https://аpp.example/cb',
    'https://xn--pp-6kc.example/cb',
    'https://app。example/cb',
    'http://app.example/cb',
    'http://127.0.0.1:3000/cb',
    'http://localhost:3000/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    'ftp://app.example/cb',
    `https://app.example/${'x'.repeat(2_100)}`,
  ])('T30: refuses %j', (url) => {
    expect(verifyUrlProblem(url, atPublic)).toEqual(expect.any(String))
  })

  it('allows apps on this machine where the gateway is there too, and nothing else', () => {
    expect(verifyUrlProblem('http://127.0.0.1:3000/cb', local)).toBeUndefined()
    expect(verifyUrlProblem('http://localhost:3000/cb', local)).toBeUndefined()
    for (const url of ['https://evil.example/cb', 'http://127.0.0.1.evil.example/cb', 'http://user@localhost/cb']) {
      expect(verifyUrlProblem(url, local)).toEqual(expect.any(String))
    }
  })
})
