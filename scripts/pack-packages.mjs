// `node scripts/pack-packages.mjs FOLDER`: packs every package, as it would be published, into that folder.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, root, run } from './setup.mjs'

/** With pnpm, because only pnpm puts the versions in place of `workspace:` and `catalog:`. It comes from npm's cache. */
export function packPackages(folder) {
  build()
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const npx = ['exec', '--yes', '--prefer-offline', '--loglevel=error', '--', packageManager]
  const pack = ['--recursive', '--filter', './packages/*', 'pack', '--pack-destination', folder]
  return run('npm', [...npx, ...pack], { stdio: ['ignore', 'ignore', 'inherit'] })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(packPackages(resolve(process.argv[2])))
