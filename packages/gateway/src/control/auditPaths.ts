import { auditLogSchema, userIdentifierSchema } from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { pageQueryShape } from './pageQuery.ts'

const timeSchema = z.iso.datetime({ offset: true, error: 'is not a time such as 2026-07-28T10:00:00Z' })

/** What the audit log takes. */
export const auditQuerySchema = z.object({
  user_identifier: userIdentifierSchema.optional().meta({ description: 'The user, exactly.' }),
  action: z.string().optional().meta({ description: 'The action, exactly.' }),
  actor: z.string().optional().meta({ description: 'The actor, exactly.' }),
  since: timeSchema.optional().meta({ description: 'From this time on (RFC 3339).' }),
  until: timeSchema.optional().meta({ description: 'Before this time (RFC 3339).' }),
  ...pageQueryShape,
})

export const auditPaths = [
  describeRoute({
    method: 'get',
    path: '/api/v1/audit_log',
    operationId: 'listAuditLog',
    tag: 'Audit',
    summary: 'Read the audit log, newest first',
    query: auditQuerySchema,
    responses: { 200: { description: 'One page.', schema: auditLogSchema } },
  }),
]
