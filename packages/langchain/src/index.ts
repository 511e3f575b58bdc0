export { createUserTools, type UserToolsForLangChainOptions } from './createUserTools.ts'
export { getUserTools, type GetUserToolsOptions } from './getUserTools.ts'
