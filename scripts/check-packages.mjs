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
    // Quiet at first: its table names what an ESM package never has, in red.
    const attw = [file, '--profile', 'esm-only', '--format', 'table-flipped']
    if (run('attw', [...attw, '--quiet']) !== 0) failed |= run('attw', attw)
    else process.stdout.write('The types resolve in every way that an ESM package promises.\n')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
