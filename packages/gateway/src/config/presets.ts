import type { OAuth2Options } from './gatewayOptions.ts'
import { isPlainObject } from './resolveEnvironment.ts'

/** What is known of a provider. Whatever a connection says itself comes before it. */
export interface Preset {
  readonly displayName: string
  /** Where the provider's documentation says what is written here. */
  readonly documentation: string
  /** The MCP server that the provider runs itself, if it is the same for everybody. */
  readonly mcpServerUrl?: string
  /** The provider takes nobody whom it does not know: a `clientId` is needed. */
  readonly needsClient?: true
  readonly auth?: Omit<OAuth2Options, 'type'>
}

const PRESETS = {
  asana: {
    displayName: 'Asana',
    documentation: 'https://developers.asana.com/docs/integrating-with-asanas-mcp-server',
    mcpServerUrl: 'https://mcp.asana.com/v2/mcp',
    needsClient: true,
    auth: { resource: 'https://mcp.asana.com/v2' },
  },
  atlassian: {
    displayName: 'Atlassian',
    documentation:
      'https://support.atlassian.com/atlassian-ai-gateway/docs/use-rovo-mcp-with-other-supported-mcp-clients/',
    mcpServerUrl: 'https://mcp.atlassian.com/v1/mcp/authv2',
  },
  github: {
    displayName: 'GitHub',
    documentation: 'https://github.com/github/github-mcp-server',
    mcpServerUrl: 'https://api.githubcopilot.com/mcp/',
    needsClient: true,
  },
  google: {
    displayName: 'Google',
    // Without both a second consent brings no refresh token.
    documentation: 'https://developers.google.com/identity/protocols/oauth2/web-server',
    needsClient: true,
    auth: { authorizationParameters: { access_type: 'offline', prompt: 'consent' } },
  },
  hubspot: {
    displayName: 'HubSpot',
    documentation:
      'https://developers.hubspot.com/docs/apps/developer-platform/build-apps/integrate-with-hubspot-mcp-server',
    mcpServerUrl: 'https://mcp.hubspot.com',
    needsClient: true,
  },
  linear: {
    displayName: 'Linear',
    documentation: 'https://linear.app/docs/mcp',
    mcpServerUrl: 'https://mcp.linear.app/mcp',
  },
  microsoft: {
    displayName: 'Microsoft',
    // Knows PKCE and does not say so; its v2.0 endpoint refuses `resource` (AADSTS901002): the scope names the resource.
    documentation: 'https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow',
    needsClient: true,
    auth: { allowMissingPkceMetadata: true, sendResource: false },
  },
  notion: {
    displayName: 'Notion',
    documentation: 'https://developers.notion.com/guides/mcp/build-mcp-client',
    mcpServerUrl: 'https://mcp.notion.com/mcp',
  },
  salesforce: {
    displayName: 'Salesforce',
    // Another host for a sandbox or a domain of one's own. PKCE: "OAuth 2.0 Web Server Flow for Web App Integration".
    documentation: 'https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&type=5',
    needsClient: true,
    auth: {
      authorizationEndpoint: 'https://login.salesforce.com/services/oauth2/authorize',
      tokenEndpoint: 'https://login.salesforce.com/services/oauth2/token',
      revocationEndpoint: 'https://login.salesforce.com/services/oauth2/revoke',
      allowMissingPkceMetadata: true,
    },
  },
  sentry: {
    displayName: 'Sentry',
    documentation: 'https://docs.sentry.io/product/sentry-mcp',
    mcpServerUrl: 'https://mcp.sentry.dev/mcp',
  },
  slack: {
    displayName: 'Slack',
    documentation: 'https://docs.slack.dev/ai/slack-mcp-server',
    mcpServerUrl: 'https://mcp.slack.com/mcp',
    needsClient: true,
    auth: { bearerTokenTypes: ['user'] },
  },
  stripe: {
    displayName: 'Stripe',
    documentation: 'https://docs.stripe.com/mcp',
    mcpServerUrl: 'https://mcp.stripe.com',
  },
} as const satisfies Readonly<Record<string, Preset>>

/** Providers that a connection may name, so that it need not say what is the same for everybody. */
export type PresetName = keyof typeof PRESETS

export const presets: Readonly<Record<PresetName, Preset>> = PRESETS

export const presetNames: readonly string[] = Object.keys(PRESETS).toSorted()

export function presetNamed(name: unknown): Preset | undefined {
  return isPresetName(name) ? presets[name] : undefined
}

function isPresetName(name: unknown): name is PresetName {
  return typeof name === 'string' && Object.hasOwn(PRESETS, name)
}

/** A connection as it was given, together with what its preset knows. Nothing is checked here. */
export function withPreset(given: unknown): unknown {
  if (!isPlainObject(given)) return given
  const preset = presetNamed(given.preset)
  if (preset === undefined) return given
  const { displayName, mcpServerUrl } = preset
  return {
    displayName,
    provider: given.preset,
    ...(mcpServerUrl !== undefined && { mcpServerUrl }),
    ...withoutUndefined(given),
    auth: authWithPreset(given.auth, preset),
  }
}

/** A connection that authorizes in another way, such as with a key, needs nothing of what is known of the provider's OAuth. */
function authWithPreset(given: unknown, { auth, mcpServerUrl }: Preset): unknown {
  if (given === undefined) return { type: 'oauth2', ...auth }
  if (!isPlainObject(given) || (given.type !== undefined && given.type !== 'oauth2')) return given
  // Endpoints belong together: whoever names others, or has them discovered, wants none of these.
  const namesServer = given.issuer !== undefined || given.authorizationEndpoint !== undefined
  const endpoints = namesServer && mcpServerUrl === undefined ? withoutEndpoints(auth) : auth
  return { type: 'oauth2', ...endpoints, ...withoutUndefined(given) }
}

function withoutEndpoints(auth: Preset['auth'] = {}) {
  const {
    authorizationEndpoint: _authorization,
    tokenEndpoint: _token,
    revocationEndpoint: _revocation,
    ...rest
  } = auth
  return rest
}

function withoutUndefined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined))
}
