import type { UserTool } from '../tools/userTools.ts'
import { Unadaptable } from './adaptation.ts'
import { adaptSchema, type AdaptedSchema } from './adaptSchema.ts'
import { whyUnchecked } from './checkArguments.ts'
import { describe } from './inWords.ts'
import { restoreArguments } from './restoreArguments.ts'
import { checkSchemaProfile, type SchemaProfile } from './schemaProfile.ts'

/** What was done to a user's tools so that a model's provider takes them. */
export interface SchemaReport {
  /** Each change of a tool's schema: `path` is a JSON Pointer (RFC 6901) into the schema as the MCP server gave it. */
  readonly adapted: readonly { readonly tool: string; readonly path: string; readonly change: string }[]
  /** Tools left out because no schema of theirs would be taken. */
  readonly dropped: readonly { readonly mcpName: string; readonly reason: string }[]
  /** Tools whose arguments only the MCP server checks, and why. */
  readonly unchecked: readonly { readonly tool: string; readonly reason: string }[]
}

export interface AdaptedTools {
  readonly tools: readonly UserTool[]
  readonly report: SchemaReport
}

const adaptedOf = new WeakMap<readonly UserTool[], Map<SchemaProfile, AdaptedTools>>()

/**
 * Pure. A user's tools as a model's provider takes them: with schemas that it accepts, and with a `call` that gives the
 * tool the arguments that its own schema means. Made once for each list and profile.
 *
 * @param tools - Of `latchkey.userTools`.
 * @throws {TypeError} when there is no such profile.
 * @example
 * const { tools } = await latchkey.userTools('user_123')
 * const adapted = adaptTools(tools, schemaProfileFor(model) ?? 'common')
 */
export function adaptTools(tools: readonly UserTool[], profile: SchemaProfile): AdaptedTools {
  checkSchemaProfile(profile)
  const byProfile = adaptedOf.get(tools) ?? new Map<SchemaProfile, AdaptedTools>()
  adaptedOf.set(tools, byProfile)
  const adapted = byProfile.get(profile) ?? adaptAll(tools, profile)
  byProfile.set(profile, adapted)
  return adapted
}

function adaptAll(tools: readonly UserTool[], profile: SchemaProfile): AdaptedTools {
  const outcomes = tools.map((tool) => ({ tool, outcome: profile === 'none' ? undefined : adapt(tool, profile) }))
  const kept = outcomes.flatMap(({ tool, outcome }) => (typeof outcome === 'string' ? [] : [asAdapted(tool, outcome)]))
  return Object.freeze({
    tools: Object.freeze(kept),
    report: Object.freeze({
      adapted: outcomes.flatMap(({ tool, outcome }) =>
        typeof outcome === 'object' ? outcome.changes.map((change) => ({ tool: tool.mcpName, ...change })) : [],
      ),
      dropped: outcomes.flatMap(({ tool, outcome }) =>
        typeof outcome === 'string' ? [{ mcpName: tool.mcpName, reason: outcome }] : [],
      ),
      unchecked: tools.flatMap(({ mcpName: tool, inputSchema }) => {
        const reason = whyUnchecked(inputSchema)
        return reason === undefined ? [] : [{ tool, reason }]
      }),
    }),
  })
}

/** The adapted schema, or why there is none. */
function adapt({ inputSchema }: UserTool, profile: Exclude<SchemaProfile, 'none'>): AdaptedSchema | string {
  try {
    return adaptSchema(inputSchema, profile)
  } catch (error) {
    // Whatever a stranger's schema may be: it costs its own tool, and not the request.
    return error instanceof Unadaptable ? error.message : 'its schema cannot be read'
  }
}

function asAdapted(tool: UserTool, adapted: AdaptedSchema | undefined): UserTool {
  if (adapted === undefined || (adapted.changes.length === 0 && adapted.plan === undefined)) return tool
  const { plan, words } = adapted
  const meantArguments: UserTool['meantArguments'] = plan && ((args) => restoreArguments(plan, args))
  return Object.freeze({
    ...tool,
    description: describe(tool.description, words) ?? '',
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every profile makes the root an object.
    inputSchema: adapted.schema as UserTool['inputSchema'],
    ...(meantArguments && { meantArguments }),
    call: (args, options) => tool.call(meantArguments ? meantArguments(args) : args, options),
  } satisfies UserTool)
}
