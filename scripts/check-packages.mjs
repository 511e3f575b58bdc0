// Packs each package as it would be published and checks the tarball: publint, and attw for the types.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packPackages } from './pack-packages.mjs'
import { run } from './setup.mjs'

const folder = mkdtempSync(join(tmpdir(), 'latchkey-pack-'))
let failed = packPackages(folder)
try {
  for (const tarball of readdirSync(folder)) {
    const file = join(folder, tarball)
    failed |= run('publint', [file, '--strict'])
    failed |= run('attw', [file, '--profile', 'esm-only', '--format', 'table-flipped'])
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
