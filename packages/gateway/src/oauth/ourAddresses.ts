import { createHash } from 'node:crypto'
import { isLoopback } from '../config/isLoopback.ts'

/** Where authorization servers find us, and send browsers back to. */
export interface OurAddresses {
  /** For clients that are registered in advance: whoever runs the gateway has written this one down at the provider. */
  readonly redirectUri: string
  /**
   * For all others: one for each authorization server. A code of an honest server that arrives at a sign-in which began
   * at another one comes to the wrong address, and is sent nowhere (mix-up; RFC 9700 section 4.4.2.2, security T30).
   */
  redirectUriOf(issuer: string): string
  /** Our client ID metadata document for this server; undefined where that server could not fetch it. */
  documentUrlOf(issuer: string): string | undefined
  /** Which redirect URI belongs to the document with this name. */
  redirectUriOfDocument(file: string): { readonly documentUrl: string; readonly redirectUri: string } | undefined
}

const CALLBACK = '/oauth/callback'
const DOCUMENTS = '/oauth/client-metadata'
const DOCUMENT_NAME = /^([A-Za-z0-9_-]{22})\.json$/

export function createOurAddresses(publicUrl: string | URL): OurAddresses {
  const base = new URL(publicUrl)
  const at = (path: string) => new URL(path, base).href
  const redirectUriOfId = (id: string) => at(`${CALLBACK}/${id}`)
  const documentUrlOfId = (id: string) => at(`${DOCUMENTS}/${id}.json`)
  return {
    redirectUri: at(CALLBACK),
    redirectUriOf: (issuer) => redirectUriOfId(idOf(issuer)),
    documentUrlOf: (issuer) => (canFetchFrom(base, issuer) ? documentUrlOfId(idOf(issuer)) : undefined),
    redirectUriOfDocument(file) {
      const id = DOCUMENT_NAME.exec(file)?.[1]
      if (id === undefined) return undefined
      return { documentUrl: documentUrlOfId(id), redirectUri: redirectUriOfId(id) }
    },
  }
}

/** 128 bits: nobody finds two issuers with the same. */
function idOf(issuer: string): string {
  return createHash('sha256').update(issuer).digest().subarray(0, 16).toString('base64url')
}

/** A server elsewhere cannot fetch from our loopback address, and a client id must be https unless both are there. */
function canFetchFrom(base: URL, issuer: string): boolean {
  const server = URL.parse(issuer)
  if (server === null) return false
  return isLoopback(base) ? isLoopback(server) : base.protocol === 'https:'
}
