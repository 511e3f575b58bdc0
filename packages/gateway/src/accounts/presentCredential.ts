import { fieldsOf, isOfAuth, valuesOf } from '../credentialFields.ts'
import type { Connection, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { OpenedCredential } from '../services.ts'

/** What carries a credential to the upstream, as the connection wants it. */
export function presentCredential(
  connection: Connection,
  credential: Credential,
): Pick<OpenedCredential, 'headers' | 'query' | 'variables'> {
  const { auth, name } = connection
  if (credential.type === 'oauth2') return { headers: { authorization: `Bearer ${credential.accessToken}` } }
  if (!isOfAuth(auth, credential)) {
    throw new GatewayError('internal', `The credential of ${name} is of another kind.`)
  }
  const values = valuesOf(credential)
  if (connection.program !== undefined) return { headers: {}, variables: variablesOf(connection, values) }
  if (auth.type === 'basic') return { headers: { authorization: basic(values) } }
  const headers: Record<string, string> = {}
  const query: Record<string, string> = {}
  for (const field of fieldsOf(connection)) {
    const value = values[field.name] ?? ''
    if (field.header !== undefined) headers[field.header.toLowerCase()] = `${field.prefix ?? ''}${value}`
    else if (field.query !== undefined) query[field.query] = value
  }
  return Object.keys(query).length === 0 ? { headers } : { headers, query }
}

function variablesOf(connection: Connection, values: Readonly<Record<string, string>>): Record<string, string> {
  const entries = fieldsOf(connection).flatMap(({ name, variable }) =>
    variable === undefined ? [] : [[variable, values[name] ?? '']],
  )
  return Object.fromEntries(entries)
}

/** RFC 7617, in UTF-8. */
function basic({ username = '', password = '' }: Readonly<Record<string, string>>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}
