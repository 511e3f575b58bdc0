import type { OAuthContext } from './context.ts'

/** What an authorization server is told about us, whether it registers us or fetches it (RFC 7591 section 2). */
export function clientMetadata(
  { clientName }: Pick<OAuthContext, 'clientName'>,
  redirectUri: string,
  tokenEndpointAuthMethod: string,
) {
  return {
    client_name: clientName,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: tokenEndpointAuthMethod,
    // Without it an OpenID provider takes us for a web application and refuses a redirect to loopback.
    application_type: redirectUri.startsWith('https:') ? 'web' : 'native',
  }
}

/** Our client ID metadata document (draft-ietf-oauth-client-id-metadata-document): `client_id` is its own address. */
export function clientDocument(
  context: Pick<OAuthContext, 'clientName' | 'addresses'>,
  file: string,
): Readonly<Record<string, unknown>> | undefined {
  const found = context.addresses.redirectUriOfDocument(file)
  if (found === undefined) return undefined
  const { documentUrl, redirectUri } = found
  return {
    client_id: documentUrl,
    client_uri: new URL('/', documentUrl).href,
    ...clientMetadata(context, redirectUri, 'none'),
  }
}
