import type { Diagnosis, McpConfig } from '@latchkey/core'
import { loadConfigFile } from '../../config/loadConfigFile.ts'
import type { ParsedOptions } from '../../config/parseOptions.ts'
import { GatewayError } from '../../errors.ts'
import { refuseWrongKeys } from '../../vault/checkKeys.ts'
import { configDiff } from '../configDiff.ts'
import { openDatabase } from '../openDatabase.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'

export interface ExaminedFile {
  readonly findings: readonly Finding[]
  /** Undefined where the file is not valid. */
  readonly options: ParsedOptions | undefined
}

/** Whether the file is valid, and has the keys that its database needs. Changes neither. */
export async function examineConfigFile(file: string): Promise<ExaminedFile> {
  const subject = file
  try {
    const options = await loadConfigFile(file)
    const valid: Finding = { check: 'config.file', level: 'ok', subject, message: 'is valid.' }
    return { options, findings: [valid, ...(await examineKeys(file))] }
  } catch (error) {
    const advice = 'Repair it; latchkey config validate tells when it is right.'
    return {
      options: undefined,
      findings: [{ check: 'config.file', level: 'problem', subject, message: messageOf(error), advice }],
    }
  }
}

async function examineKeys(file: string): Promise<readonly Finding[]> {
  const check = 'config.keys'
  try {
    await using database = await openDatabase({ config: file })
    const rings = await database.rings()
    for (const ring of ['encryption', 'signing'] as const) {
      await refuseWrongKeys({ ringKeys: database.store.ringKeys, ring, keys: rings[ring] })
    }
    return [{ check, level: 'ok', message: 'The keys are those that the database was used with.' }]
  } catch (error) {
    const advice = 'A gateway with this configuration does not start. See docs/keys.md.'
    return [{ check, level: 'problem', message: messageOf(error), advice }]
  }
}

/** Whether the running gateway is as the file says. */
export function compareWithGateway(
  { connections, configs }: ParsedOptions,
  diagnosis: Diagnosis,
  existing: readonly McpConfig[],
): readonly Finding[] {
  const check = 'config.applied'
  const unknown = connections.filter(({ name }) => !diagnosis.connectionNames.includes(name)).map(({ name }) => name)
  const different = configDiff(configs, existing).filter(({ kind }) => kind !== 'same')
  const findings: Finding[] = []
  if (unknown.length > 0) {
    const message = `The gateway does not know connections of the file: ${unknown.join(', ')}.`
    findings.push({ check, level: 'warning', message, advice: 'Start the gateway again with this file.' })
  }
  for (const { name, differences } of different) {
    const message = `is not as the file says: ${shown(differences.join('; '))}.`
    findings.push({
      check,
      level: 'warning',
      subject: `config ${shown(name)}`,
      message,
      advice: 'latchkey config apply, or start the gateway again.',
    })
  }
  return findings.length > 0 ? findings : [{ check, level: 'ok', message: 'The gateway is as the file says.' }]
}

function messageOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message
  return error instanceof Error ? `It cannot be read: ${error.message}` : 'It cannot be read.'
}
