export { createLatchkey, LatchkeyError, type ConnectionState } from '@latchkey/core'
export { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'
export { getUserTools, type GetUserToolsOptions } from './getUserTools.ts'
