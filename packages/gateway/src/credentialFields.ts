import type { Connection, ConnectionAuth, Credential, CredentialField } from './domain.ts'

/** A field of the page on which a person types in what a connection wants. */
export interface TypedField extends CredentialField {
  /** What it may be, after spaces around it are gone. */
  readonly pattern: RegExp
  /** Whether spaces around it belong to it. */
  readonly keepsSpaces: boolean
}

/** What a header can carry as it is. */
const ONE_WORD = /^[\x21-\x7e]{1,4096}$/
const ONE_LINE = /^[\x20-\x7e]{1,4096}$/
/** What is encoded before it is sent. */
const ANY_LINE = /^[^\p{Cc}\u2028\u2029]{1,4096}$/u
/** RFC 7617 section 2: the first colon ends the user name. */
const USER_NAME = /^[^\p{Cc}\u2028\u2029:]{1,4096}$/u

/** What a person has to type in for this connection; nothing where it is connected in another way. */
export function fieldsOf({ auth, displayName }: Connection): readonly TypedField[] {
  if (auth.type === 'bearer') return [token(`Your ${displayName} access token`, auth.variable)]
  if (auth.type === 'basic') return basicFields(auth)
  if (auth.type !== 'api_key') return []
  if (auth.fields !== undefined) return auth.fields.map((field) => ({ ...field, ...rulesOf(field) }))
  const { header, prefix, query, variable } = auth
  const label = `Your ${displayName} API key`
  const field = { name: API_KEY_FIELD, label, secret: true, header, prefix, query, variable }
  return [{ ...field, ...rulesOf(field) }]
}

/** What was typed in, as the credential that is kept. It belongs to the server that the connection names now. */
export function typedCredential(connection: Connection, values: Readonly<Record<string, string>>): Credential {
  const { auth } = connection
  const origin = serverOf(connection)
  if (auth.type === 'api_key' && auth.fields === undefined) {
    return { type: 'api_key', key: values[API_KEY_FIELD] ?? '', origin }
  }
  return { type: 'fields', kind: auth.type, values, origin }
}

/** What a credential is bound to: the origin of the server, or the program with its arguments. */
export function serverOf({ mcpServerUrl, program }: Connection): string {
  return program === undefined ? new URL(mcpServerUrl).origin : mcpServerUrl
}

/** By the name of the field. */
export function valuesOf(credential: Credential): Readonly<Record<string, string>> {
  if (credential.type === 'oauth2') return {}
  return credential.type === 'api_key' ? { [API_KEY_FIELD]: credential.key } : credential.values
}

/** Whether a credential was made for this kind of authorization, and has all that it wants by now. */
export function isOfAuth(auth: ConnectionAuth, credential: Credential): boolean {
  const kind = credential.type === 'fields' ? credential.kind : credential.type
  if (kind !== auth.type) return false
  const names = auth.type === 'api_key' ? (auth.fields?.map(({ name }) => name) ?? [API_KEY_FIELD]) : []
  const values = valuesOf(credential)
  return names.every((name) => values[name] !== undefined)
}

const API_KEY_FIELD = 'api_key'

function rulesOf({ query, variable, secret }: CredentialField): Pick<TypedField, 'pattern' | 'keepsSpaces'> {
  if (query !== undefined || variable !== undefined) return { pattern: ANY_LINE, keepsSpaces: false }
  return { pattern: secret ? ONE_WORD : ONE_LINE, keepsSpaces: false }
}

function token(label: string, variable: string | undefined): TypedField {
  const field = { name: 'token', label, secret: true, header: 'authorization', prefix: 'Bearer ', variable }
  return { ...field, ...rulesOf(field) }
}

function basicFields({
  usernameVariable,
  passwordVariable,
}: ConnectionAuth & { readonly type: 'basic' }): readonly TypedField[] {
  const user = { name: 'username', label: 'User name', secret: false, pattern: USER_NAME, keepsSpaces: false }
  const password = { name: 'password', label: 'Password', secret: true, pattern: ANY_LINE, keepsSpaces: true }
  return [
    { ...user, variable: usernameVariable },
    { ...password, variable: passwordVariable },
  ]
}
