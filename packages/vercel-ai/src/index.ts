export { createLatchkey, LatchkeyError, type ConnectionState } from '@latchkey/core'
export { createUserTools, type UserToolsForAiSdkOptions } from './createUserTools.ts'
export { getUserTools, type GetUserToolsOptions } from './getUserTools.ts'
