import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createAudit } from '../audit/audit.ts'
import { loadConfigFile } from '../config/loadConfigFile.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import type { AuditEntry } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import {
  KEY_FILE_NAME,
  loadKeyRings,
  givenRings,
  type KeyRings,
  type LoadKeyRingsOptions,
} from '../keys/loadKeyRings.ts'
import { inRequest } from '../requestScope.ts'
import { loadEnvironment } from './loadEnvironment.ts'
import { openStore } from '../store/openStore.ts'
import type { Store } from '../store/store.ts'
import { openKeyManagement } from '../vault/keyManagement.ts'
import { loadManagedRings } from '../vault/managedKeys.ts'

/** Which database: that of a configuration file. */
export interface DatabaseAccess {
  readonly config: string
  readonly envFile?: string | undefined
}

/** A gateway's database, opened by the command itself. */
export interface OpenedDatabase extends AsyncDisposable {
  readonly options: ParsedOptions
  readonly store: Store
  /** What the functions of the vault take. */
  readonly keyOptions: LoadKeyRingsOptions
  /** The keys that the configuration names. Makes none, and says to nobody that they are in use. */
  readonly rings: () => Promise<KeyRings>
  /** Writes down that whoever runs this did it. */
  readonly audit: (entry: AuditEntry) => Promise<void>
}

/** Opens the database that a configuration file names. Throws GatewayError `configuration` if there is none. */
export async function openDatabase({ config, envFile }: DatabaseAccess): Promise<OpenedDatabase> {
  loadEnvironment({ envFile })
  const options = await loadConfigFile(config)
  const { database, isLoopback, clock } = options
  if (database.kind === 'sqlite' && !existsSync(database.path)) {
    throw new GatewayError('configuration', `There is no database at ${database.path}. Has the gateway been started?`)
  }
  const directory = database.kind === 'sqlite' ? dirname(database.path) : undefined
  const hasKeyFile = directory !== undefined && existsSync(join(directory, KEY_FILE_NAME))
  const keyOptions = { ...options, isLoopback: isLoopback && hasKeyFile, directory }
  const store = await openStore(database)
  const auditLog = createAudit({ store: store.audit, clock })
  return {
    options,
    store,
    keyOptions,
    rings: async () => await ringsOf(options, keyOptions, store),
    async audit(entry) {
      const scope = { requestId: randomUUID(), address: undefined, actor: 'cli', entries: undefined }
      await inRequest(scope, async () => await auditLog.record(entry))
    },
    [Symbol.asyncDispose]: async () => await store.close(),
  }
}

async function ringsOf({ keyManagement, clock }: ParsedOptions, keyOptions: LoadKeyRingsOptions, { ringKeys }: Store) {
  if (keyManagement === undefined) return await loadKeyRings(keyOptions)
  const service = await openKeyManagement(keyManagement)
  return await loadManagedRings({ ringKeys, service, clock }, givenRings(keyOptions))
}
