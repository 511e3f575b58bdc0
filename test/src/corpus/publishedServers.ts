/** An MCP server on npm that tells its tools without credentials, or with made-up ones. */
export interface PublishedServer {
  readonly name: string
  readonly version: string
  /** As its package says; only permissive ones are here, because what it lists is kept with this project. */
  readonly licence: 'MIT' | 'Apache-2.0'
  /** Of its commands, where it has several. */
  readonly bin?: string
  /** `{home}` stands for a folder of its own, here and in `env`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Put into `{home}`. */
  readonly files?: Readonly<Record<string, string>>
}

const NOWHERE = 'http://127.0.0.1:9'

export const PUBLISHED_SERVERS: readonly PublishedServer[] = [
  { name: '@modelcontextprotocol/server-everything', version: '2026.8.31', licence: 'MIT' },
  { name: '@modelcontextprotocol/server-filesystem', version: '2026.8.31', licence: 'MIT', args: ['{home}'] },
  { name: '@modelcontextprotocol/server-memory', version: '2026.8.31', licence: 'MIT' },
  { name: '@modelcontextprotocol/server-github', version: '2025.4.8', licence: 'MIT' },
  {
    name: '@modelcontextprotocol/server-slack',
    version: '2025.4.25',
    licence: 'MIT',
    env: { SLACK_BOT_TOKEN: 'xoxb-none', SLACK_TEAM_ID: 'T0' },
  },
  { name: '@playwright/mcp', version: '0.0.83', licence: 'Apache-2.0' },
  { name: '@notionhq/notion-mcp-server', version: '2.5.2', licence: 'MIT', env: { NOTION_TOKEN: 'none' } },
  { name: '@upstash/context7-mcp', version: '4.1.1', licence: 'MIT' },
  {
    name: 'firecrawl-mcp',
    version: '3.26.0',
    licence: 'MIT',
    env: { FIRECRAWL_API_KEY: 'none', FIRECRAWL_API_URL: NOWHERE },
  },
  { name: 'tavily-mcp', version: '0.2.22', licence: 'MIT', env: { TAVILY_API_KEY: 'none' } },
  {
    name: 'mongodb-mcp-server',
    version: '3.0.4',
    licence: 'Apache-2.0',
    args: ['--telemetry', 'disabled', '--apiBaseUrl', NOWHERE],
  },
  { name: 'chrome-devtools-mcp', version: '1.11.0', licence: 'Apache-2.0', bin: 'chrome-devtools-mcp' },
  { name: 'mcp-server-kubernetes', version: '4.1.7', licence: 'MIT' },
  { name: 'airtable-mcp-server', version: '1.14.0', licence: 'MIT', env: { AIRTABLE_API_KEY: 'none' } },
  {
    name: '@cocal/google-calendar-mcp',
    version: '2.6.3',
    licence: 'MIT',
    env: { GOOGLE_OAUTH_CREDENTIALS: '{home}/keys.json' },
    files: {
      'keys.json': '{"installed":{"client_id":"none","client_secret":"none","redirect_uris":["http://127.0.0.1:9"]}}',
    },
  },
  {
    name: '@twilio-alpha/mcp',
    version: '0.7.0',
    licence: 'MIT',
    args: [
      `AC${'0'.repeat(32)}/SK${'0'.repeat(32)}:none`,
      '--services',
      'twilio_api_v2010',
      '--tags',
      'Api20100401Message,Api20100401Call,Api20100401Conference',
    ],
  },
  { name: 'figma-developer-mcp', version: '0.13.2', licence: 'MIT', args: ['--stdio', '--figma-api-key=none'] },
  { name: '@hubspot/mcp-server', version: '0.4.0', licence: 'MIT', env: { PRIVATE_APP_ACCESS_TOKEN: 'none' } },
]
