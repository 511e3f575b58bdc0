import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { GatewayError } from '../../src/errors.ts'

function parse(auth: object) {
  const options = {
    publicUrl: 'http://127.0.0.1:8787',
    clients: [{ clientId: 'app', clientSecret: 's' }],
    connections: { mail: { mcpServerUrl: 'https://mail.example/mcp', auth } },
  }
  return parseOptions(options, { environment: {} }).connections[0]?.auth
}

function problemOf(auth: object): string {
  try {
    parse(auth)
  } catch (error) {
    if (error instanceof GatewayError) return error.message
  }
  throw new Error('it was taken')
}

const field = (changes: object = {}) => ({ name: 'key', label: 'Key', header: 'X-Key', ...changes })
const fields = (...given: object[]) => ({ type: 'api_key', fields: given })

describe('parseOptions: what users type in', () => {
  it.each([
    [{ type: 'bearer' }],
    [{ type: 'basic' }],
    [{ type: 'api_key', query: 'key' }],
    [{ type: 'api_key', header: 'X-Key', prefix: 'Token ' }],
  ])('takes %j', (auth) => expect(parse(auth)).toEqual(auth))

  it('hides what is typed unless the configuration says otherwise', () => {
    expect(parse(fields(field(), field({ name: 'site', header: 'X-Site', secret: false })))).toMatchObject({
      fields: [{ secret: true }, { secret: false }],
    })
  })

  it.each<readonly [object, string]>([
    [{ type: 'api_key' }, 'auth.header: is missing'],
    [{ type: 'api_key', header: 'X-Key', query: 'key' }, 'auth.query: is there beside a header'],
    [{ type: 'api_key', query: 'key', prefix: 'x' }, 'auth.prefix: is for headers only'],
    [{ type: 'api_key', query: 'a&b' }, 'auth.query: is not the name of a parameter'],
    [fields(), 'auth.fields: is empty'],
    [{ ...fields(field()), header: 'X-Key' }, 'auth.header: is there beside fields'],
    [fields({ name: 'key', label: 'Key' }), 'auth.fields[0].header: is missing'],
    [fields(field({ header: 'Cookie' })), 'auth.fields[0].header: is a header that cannot carry a key'],
    [fields(field({ name: 'csrf_token' })), 'auth.fields[0].name: is reserved'],
    [fields(field({ name: '__proto__' })), 'auth.fields[0].name: is not a name of a field'],
    [fields(field(), field({ header: 'X-Other' })), 'auth.fields[1].name: repeats another one'],
    [fields(field(), field({ name: 'other', header: 'x-key' })), 'auth.fields[1].header: repeats another one'],
    [{ type: 'basic', header: 'X' }, 'auth.header: unknown key'],
  ])('refuses %j', (auth, message) => expect(problemOf(auth)).toContain(`connections.mail.${message}`))
})
