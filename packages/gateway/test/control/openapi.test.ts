import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { apiPaths } from '../../src/control/openapi/apiPaths.ts'
import { createOpenApiDocument } from '../../src/control/openapi/document.ts'

describe('createOpenApiDocument', () => {
  it('makes a valid OpenAPI 3.1 document', async () => {
    const document: Record<string, unknown> = JSON.parse(JSON.stringify(createOpenApiDocument(apiPaths)))
    const validator = new Validator()
    expect(await validator.validate(document)).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })
})
