import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, realpath, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as z from 'zod'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const execute = promisify(execFile)

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  bin: z.record(z.string(), z.string()).default({}),
  exports: z.record(z.string(), z.unknown()),
  dependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
})

/** A package as it would be published, unpacked. */
export interface PackedPackage {
  /** Its folder in the workspace: `core`. */
  readonly folderName: string
  /** Where it has been unpacked. */
  readonly path: string
  /** The files in the tarball. */
  readonly files: readonly string[]
  readonly manifest: z.infer<typeof manifestSchema>
}

/**
 * Packs every package and installs the tarballs in `folder/node_modules`, as a package manager would. What they say that
 * they depend on is linked from the workspace, and nothing else is there.
 */
export async function installPacked(folder: string): Promise<readonly PackedPackage[]> {
  const tarballs = join(folder, 'tarballs')
  await mkdir(tarballs)
  await execute(process.execPath, [join(ROOT, 'scripts/pack-packages.mjs'), tarballs])
  const names = await readdir(join(ROOT, 'packages'))
  return await Promise.all(names.map((name) => install(name, folder)))
}

async function install(folderName: string, folder: string): Promise<PackedPackage> {
  const source = join(ROOT, 'packages', folderName)
  const { name, version } = manifestSchema.parse(await readJson(join(source, 'package.json')))
  const tarball = join(folder, 'tarballs', `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
  const path = join(folder, 'node_modules', name)
  await mkdir(path, { recursive: true })
  await execute('tar', ['-xzf', tarball, '--strip-components=1', '-C', path])
  const manifest = manifestSchema.parse(await readJson(join(path, 'package.json')))
  for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (!dependency.startsWith('@latchkey/')) await link(dependency, source, folder)
  }
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
  return { folderName, path, files, manifest }
}

/** Several packages may depend on the same one; the workspace has one version of each. */
export async function link(dependency: string, fromWorkspaceFolder: string, folder: string): Promise<void> {
  const place = join(folder, 'node_modules', dependency)
  await mkdir(dirname(place), { recursive: true })
  const target = await realpath(join(fromWorkspaceFolder, 'node_modules', dependency))
  await symlink(target, place, 'junction').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}
