import { listen } from '../../../../../test/src/fixtures/listen.ts'
import { closeAfterTest } from './cleanup.ts'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | null
  readonly body: string
}

type Answer = (request: SeenRequest) => Response | Promise<Response>

/**
 * An upstream and its authorization server in one, whose every answer a test can choose: for servers that are hostile or
 * broken. What is not chosen is answered as it should be.
 */
export async function startFakeAuthorization(answers: Record<string, Answer> = {}) {
  const requests: SeenRequest[] = []
  const { origin, close } = await listen(async (request) => {
    const { pathname } = new URL(request.url)
    const seen = {
      method: request.method,
      path: pathname,
      authorization: request.headers.get('authorization'),
      body: await request.text(),
    }
    requests.push(seen)
    const answer = answers[pathname] ?? sound[pathname]
    return answer ? answer(seen) : new Response('Not found', { status: 404 })
  })
  const sound: Record<string, Answer> = {
    '/mcp': () => new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer scope="mail.read"' } }),
    '/.well-known/oauth-protected-resource/mcp': () => Response.json(resourceMetadata()),
    '/.well-known/oauth-authorization-server': () => Response.json(serverMetadata()),
    '/register': () => Response.json({ client_id: 'dynamic-client' }, { status: 201 }),
    '/token': () =>
      Response.json({ access_token: 'at-1', token_type: 'Bearer', expires_in: 3600, refresh_token: 'rt-1' }),
  }
  const resourceMetadata = (changes: object = {}) => ({
    resource: `${origin}/mcp`,
    authorization_servers: [origin],
    scopes_supported: ['mail.all'],
    ...changes,
  })
  const serverMetadata = (changes: object = {}) => ({
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    ...changes,
  })
  closeAfterTest({ close })
  return {
    origin,
    mcpServerUrl: `${origin}/mcp`,
    requests,
    resourceMetadata,
    serverMetadata,
    answer(path: string, answer: Answer) {
      answers[path] = answer
    },
    to: (path: string) => requests.filter((request) => request.path === path),
  }
}
