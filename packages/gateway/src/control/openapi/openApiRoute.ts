import type { Handler } from 'hono'
import type { RouteDescription } from './describeRoute.ts'
import { createOpenApiDocument } from './document.ts'

/** `GET /openapi.json`: for anybody, for it holds nothing that is secret. Made at the first request. */
export function openApiRoute(routes: readonly RouteDescription[]): Handler {
  let text: string | undefined
  return (context) => {
    text ??= JSON.stringify(createOpenApiDocument(routes))
    return context.body(text, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=300' })
  }
}
