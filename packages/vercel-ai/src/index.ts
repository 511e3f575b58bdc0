export { createLatchkey, LatchkeyError, type ConnectionState } from '@latchkey/core'
export { callAgain, pendingAuthorization, stopOnAuthorization, type PendingAuthorization } from './authorization.ts'
export { authorizationAsApproval, type AuthorizationAsApproval, type RunSettings } from './authorizationAsApproval.ts'
export {
  authorizationParts,
  type AuthorizationCard,
  type AuthorizationDataParts,
  type AuthorizationPart,
} from './authorizationParts.ts'
export { createUserTools, type UserToolsForAiSdkOptions } from './createUserTools.ts'
export { getUserTools, type GetUserToolsOptions } from './getUserTools.ts'
export { refreshTools } from './refreshTools.ts'
