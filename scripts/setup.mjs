// Installs and builds what the project needs, once. Runs on Node 20 and newer, with nothing installed.
// Everything lands in this folder: pnpm comes through npm's own cache, Node 24 as a development dependency.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(fileURLToPath(import.meta.url), '../..')
const bin = join(root, 'node_modules', '.bin')
const stampFile = join(root, 'node_modules', '.latchkey-setup')

/** The environment in which the project's own tools run: its Node first, then whatever the caller has. */
export function toolEnvironment() {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }
}

/** Runs a tool in the foreground; gives its exit code. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: toolEnvironment(),
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  })
  if (result.error) throw result.error
  return result.status ?? 1
}

function manifests() {
  const workspaces = ['packages', '.'].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
      .map((entry) => join(root, folder, entry.name, 'package.json'))
      .filter((file) => existsSync(file)),
  )
  const own = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'].map((file) => join(root, file))
  return [...own, ...workspaces].toSorted((one, other) => one.localeCompare(other, 'en'))
}

function stamp() {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}`)
  for (const file of manifests()) hash.update(readFileSync(file))
  return hash.digest('hex')
}

function isInstalled(wanted) {
  return existsSync(stampFile) && existsSync(join(bin, 'node')) && readFileSync(stampFile, 'utf8') === wanted
}

function install() {
  const wanted = stamp()
  if (isInstalled(wanted)) return
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  process.stderr.write('Installing what the project needs into node_modules (once; about half a minute) …\n')
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['exec', '--yes', '--', packageManager, 'install', '--frozen-lockfile'],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, CI: 'true' },
      shell: process.platform === 'win32',
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  if (error) throw error
  if (status !== 0) {
    process.stderr.write(`${stdout}\n${stderr}\nThe installation failed; what it printed is above.\n`)
    process.exit(status ?? 1)
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  writeFileSync(stampFile, wanted)
}

/** The compiler leaves the output of a source file that is gone, and it would be published. */
function removeLeftovers() {
  for (const name of readdirSync(join(root, 'packages'))) {
    const [source, output] = ['src', 'dist'].map((folder) => join(root, 'packages', name, folder))
    if (!existsSync(output)) continue
    for (const file of readdirSync(output, { recursive: true })) {
      const [, stem] = /^(.+?)\.(?:js|d\.ts)(?:\.map)?$/.exec(file) ?? []
      if (stem && !existsSync(join(source, `${stem}.ts`))) rmSync(join(output, file))
    }
  }
}

/** Compiles the packages into their `dist`. */
export function build() {
  removeLeftovers()
  const status = run('tsc', ['--build'])
  if (status !== 0) process.exit(status)
}

export function setup() {
  install()
  build()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup()
