import type { MiddlewareHandler } from 'hono'
import { GatewayError } from '../errors.ts'
import type { RouteDescription } from './openapi/describeRoute.ts'
import { pathPattern } from './openapi/pathPattern.ts'

/** Answers 405 with `Allow` (RFC 9110 section 15.5.6) where the path is known and the method is not. */
export function methodGuard(routes: readonly RouteDescription[]): MiddlewareHandler {
  const paths = [...new Set(routes.map(({ path }) => path))].toSorted((one, other) => rank(one) - rank(other))
  const known = paths.map((path) => ({ pattern: pathPattern(path), methods: methodsOf(routes, path) }))
  return async (context, next) => {
    const methods = known.find(({ pattern }) => pattern.test(context.req.path))?.methods
    if (methods === undefined || methods.includes(context.req.method)) return await next()
    context.header('Allow', methods.join(', '))
    throw new GatewayError('method_not_allowed', `This path takes ${methods.join(', ')} and no other method.`)
  }
}

/** The one that says most comes first: to another, a verb or a word would pass for an id. */
function rank(path: string): number {
  return (path.match(/\{/g)?.length ?? 0) * 2 - (path.includes(':') ? 1 : 0)
}

function methodsOf(routes: readonly RouteDescription[], path: string): readonly string[] {
  const methods = routes.filter((route) => route.path === path).map(({ method }) => method.toUpperCase())
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
}
