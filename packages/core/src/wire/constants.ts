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
 * What begins the key of an input request by which the gateway asks for a connection to be authorized; the rest is the
 * connection's name.
 */
export const AUTHORIZE_INPUT_KEY_PREFIX = 'latchkey.authorize.'
