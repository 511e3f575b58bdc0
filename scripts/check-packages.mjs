// Packs each package as it would be published and checks the tarball: publint, and attw for the types.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { root, run } from './setup.mjs'

const folder = mkdtempSync(join(tmpdir(), 'latchkey-pack-'))
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let failed = 0
try {
  for (const name of readdirSync(join(root, 'packages'))) {
    const cwd = join(root, 'packages', name)
    failed |= run('npm', ['exec', '--yes', '--', packageManager, 'pack', '--pack-destination', folder], {
      cwd,
      stdio: 'ignore',
    })
  }
  for (const tarball of readdirSync(folder)) {
    const file = join(folder, tarball)
    failed |= run('publint', [file, '--strict'])
    failed |= run('attw', [file, '--profile', 'esm-only', '--format', 'ascii'])
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
