import type * as z from 'zod'

/** One method of one path, as the OpenAPI document tells it. Each file of routes exports those of its own. */
export interface RouteDescription {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With its parameters in braces: `/api/v1/mcp/configs/{config_id}`. */
  readonly path: string
  /** Unique: what generated clients call it. */
  readonly operationId: string
  readonly tag: RouteTag
  /** One short sentence. */
  readonly summary: string
  readonly description?: string | undefined
  readonly query?: z.ZodObject | undefined
  readonly headers?: z.ZodObject | undefined
  /** What the body is checked with. */
  readonly body?: z.ZodType | undefined
  /** Of the body. Default: `application/json`. */
  readonly bodyType?: string | undefined
  /** By HTTP status. Errors of the common shape need not be told: every route may answer them. */
  readonly responses: Readonly<Record<number, ResponseDescription>>
  /** Needs no access token. Default: it does. */
  readonly isOpen?: boolean | undefined
  /** A POST that may be repeated without harm: it takes no `Idempotency-Key`. Default: it takes one. */
  readonly isRepeatable?: boolean | undefined
}

export interface ResponseDescription {
  readonly description: string
  /** Without it the answer has no body. */
  readonly schema?: z.ZodType | undefined
  /** Of the answer. Default: `application/json`. */
  readonly type?: string | undefined
}

export type RouteTag =
  | 'Configs'
  | 'Connections'
  | 'Instances'
  | 'Connected accounts'
  | 'Users'
  | 'Events'
  | 'Webhooks'
  | 'Audit'
  | 'Gateway'

/** Says that an object describes a route, without losing what it says. */
export function describeRoute<const Description extends RouteDescription>(description: Description): Description {
  return description
}
