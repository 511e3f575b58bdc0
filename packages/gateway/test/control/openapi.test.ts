import { Validator } from '@seriousme/openapi-schema-validator'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openRooms, type Rooms } from './openRooms.ts'

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

const documentSchema = z.looseObject({
  paths: z.record(
    z.string(),
    z.partialRecord(
      z.enum(METHODS),
      z.looseObject({
        operationId: z.string(),
        parameters: z.array(z.looseObject({ name: z.string(), in: z.string() })).default([]),
      }),
    ),
  ),
})

let rooms: Rooms
let text: string
beforeEach(async () => {
  rooms = await openRooms()
  text = await (await rooms.app.request('/openapi.json')).text()
})
afterEach(() => rooms.close())

const operations = () =>
  Object.entries(documentSchema.parse(JSON.parse(text)).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  )

describe('GET /openapi.json', () => {
  it('gives anybody a valid OpenAPI 3.1 document', async () => {
    const response = await rooms.app.request('/openapi.json')
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'application/json'])
    const validator = new Validator()
    expect(await validator.validate(z.record(z.string(), z.unknown()).parse(JSON.parse(text)))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })

  it('tells every route that there is, and no other', () => {
    const told = operations().map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`)
    const served = rooms.app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method.toLowerCase()} ${templateOf(path)}`)
    expect(told.toSorted()).toEqual([...new Set(served)].toSorted())
  })

  it('names each operation once, and every parameter of its path', () => {
    const all = operations()
    expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length)
    for (const { path, parameters } of all) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(names)
    }
  })

  it('offers an Idempotency-Key where one is heeded', () => {
    const withKey = operations().filter(({ parameters }) => parameters.some(({ name }) => name === 'Idempotency-Key'))
    const ids = withKey.map(({ operationId }) => operationId)
    expect(ids).toEqual(expect.arrayContaining(['createConfig', 'createSessionToken']))
    for (const id of ['ensureInstance', 'getAuthState', 'getAccessToken', 'listConfigs']) expect(ids).not.toContain(id)
    expect(withKey.every(({ method }) => method === 'post')).toBe(true)
  })

  it('closes no object, for what it tells may have more fields one day', () => {
    expect(text).not.toContain('"additionalProperties":false')
  })

  it('is the document that lies in docs/ (write it anew with `vitest -u`)', async () => {
    await expect(`${JSON.stringify(JSON.parse(text), null, 2)}\n`).toMatchFileSnapshot('../../../../docs/openapi.json')
  })
})

/** `/a/:id/:target{[^/]+(?::|%3[aA])verb}` of Hono as the document writes it, without the names of its parameters. */
function templateOf(path: string): string {
  return path
    .replaceAll('(?::|%3[aA])', ':')
    .replace(/:\w+\{\[\^\/\]\+(:\w+)\}/g, '{}$1')
    .replace(/\/:\w+\{([^{}]+)\}/g, '/$1')
    .replace(/\/:\w+/g, '/{}')
}
