/** What the settings of a service are called, for messages that say what to check. */
export interface ServiceSettings {
  /** `the control plane` */
  readonly service: string
  /** ``LATCHKEY_URL (or `url`)`` */
  readonly address: string
  /** ``LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET (or `clientId` and `clientSecret`)`` */
  readonly credential: string
}
