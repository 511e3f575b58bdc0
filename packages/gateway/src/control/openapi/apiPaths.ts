import { accountPaths } from '../accountPaths.ts'
import { auditPaths } from '../auditPaths.ts'
import { configPaths } from '../configPaths.ts'
import { connectionPaths } from '../connectionPaths.ts'
import { diagnosticsPaths } from '../diagnosticsPaths.ts'
import { eventPaths } from '../eventPaths.ts'
import { gatewayPaths } from '../gatewayPaths.ts'
import { instancePaths } from '../instancePaths.ts'
import { revocationPaths } from '../revocationPaths.ts'
import { toolPinPaths } from '../toolPinPaths.ts'
import { verificationPaths } from '../verificationPaths.ts'
import { webhookPaths } from '../webhookPaths.ts'
import type { RouteDescription } from './describeRoute.ts'

/** Every route of the control plane. A test compares this list with the routes that there are. */
export const apiPaths: readonly RouteDescription[] = [
  ...gatewayPaths,
  ...configPaths,
  ...instancePaths,
  ...accountPaths,
  ...verificationPaths,
  ...revocationPaths,
  ...eventPaths,
  ...webhookPaths,
  ...auditPaths,
  ...connectionPaths,
  ...toolPinPaths,
  ...diagnosticsPaths,
]
