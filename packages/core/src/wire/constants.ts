/** Every status that a connected account is known to have. A client must tolerate others. */
export const CONNECTED_ACCOUNT_STATUSES = [
  'ACTIVE',
  'PENDING_AUTH',
  'PENDING_VERIFICATION',
  'EXPIRED',
  'DISCONNECTED',
] as const

/** The event type of a status change, in webhooks and in the event stream. */
export const STATUS_EVENT_TYPE = 'connected_account.status_updated'

/**
 * The key in the `_meta` of a `tools/list` result under which the gateway names each connection whose tools are
 * missing: `[{ connection, reason }]`, reason being `authorization_required`, `unreachable` or `invalid_response`.
 */
export const UNAVAILABLE_META_KEY = 'latchkey/unavailable'

/**
 * The key in the `_meta` of a URL elicitation (`input_required`, or -32042) under which the gateway names the connection
 * that must be authorized: `{ id, name, provider?, status }`.
 */
export const CONNECTION_META_KEY = 'latchkey/connection'
