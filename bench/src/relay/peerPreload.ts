/** Loaded into a foreign gateway before anything of its own. */
import { serveParent } from './serveParent.ts'

serveParent({})
