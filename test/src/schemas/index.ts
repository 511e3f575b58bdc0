export { toolLists } from '../corpus/toolLists.ts'
export { silentChanges } from './silentChanges.ts'
