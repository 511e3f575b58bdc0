/**
 * Names of the semantic conventions that are not stable yet (version 1.45, "incubating"). Copied, as the conventions'
 * own package asks for: a minor version of it may rename them.
 */
export const ATTR_MCP_METHOD_NAME = 'mcp.method.name'
export const ATTR_GEN_AI_TOOL_NAME = 'gen_ai.tool.name'
export const ATTR_GEN_AI_OPERATION_NAME = 'gen_ai.operation.name'
export const METRIC_MCP_SERVER_OPERATION_DURATION = 'mcp.server.operation.duration'
export const METRIC_NODEJS_EVENTLOOP_DELAY_P50 = 'nodejs.eventloop.delay.p50'
export const METRIC_NODEJS_EVENTLOOP_DELAY_P99 = 'nodejs.eventloop.delay.p99'
export const METRIC_NODEJS_EVENTLOOP_DELAY_MAX = 'nodejs.eventloop.delay.max'

/** Our own. */
export const ATTR_CONNECTION = 'latchkey.connection'
export const ATTR_OUTCOME = 'latchkey.outcome'
export const ATTR_STATUS = 'latchkey.account.status'
export const ATTR_LIMIT = 'latchkey.limit'
export const METRIC_REFRESHES = 'latchkey.refreshes'
export const METRIC_STATUS_CHANGES = 'latchkey.account.status_changes'
export const METRIC_EVENT_LAG = 'latchkey.event.lag'
export const METRIC_LIMITED = 'latchkey.rate_limit.refusals'

/** In seconds: what the conventions recommend for durations. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
