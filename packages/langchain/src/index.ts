export { createLatchkey, LatchkeyError, type AuthorizationRequest, type ConnectionState } from '@latchkey/core'
export { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'
export { getUserTools, type GetUserToolsOptions } from './getUserTools.ts'
export { userToolsMiddleware, type UserToolsMiddlewareOptions } from './userToolsMiddleware.ts'
