export { backendContract } from './contract/backendContract.ts'
export type { BackendCase } from './contract/backendContract.ts'
export type { BackendSeams, BackendSubject, SentRequest } from './contract/backendSubject.ts'
export { ManualTiming } from './manualTiming.ts'
export { createScriptedBackend } from './scriptedBackend.ts'
export type {
  ScriptedBackend,
  ScriptedBackendOptions,
  ScriptedCall,
  ScriptedChange,
  ScriptedMethod,
} from './scriptedBackend.ts'
export type { ScriptedTool } from './scriptedEndpoint.ts'
