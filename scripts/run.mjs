// `npm run demo | example | test | bench | build | check`: sets up what is missing, then runs the command on the project's own Node.
import { run, setup } from './setup.mjs'

const commands = {
  demo: [['node', ['--disable-warning=ExperimentalWarning', 'examples/src/demo/main.ts']]],
  example: [['node', ['--disable-warning=ExperimentalWarning', 'examples/src/main.ts']]],
  test: [['vitest', ['run']]],
  bench: [['node', ['--disable-warning=ExperimentalWarning', '--expose-gc', 'bench/src/main.ts']]],
  build: [],
  check: [
    ['oxfmt', ['--check']],
    ['oxlint', ['--type-aware']],
    ['tsc', ['-p', 'tsconfig.check.json']],
    ['knip', []],
    ['node', ['scripts/check-packages.mjs']],
  ],
}

const [name, ...args] = process.argv.slice(2)
const steps = commands[name]
if (!steps) {
  process.stderr.write(`Unknown command "${name}". Known: ${Object.keys(commands).join(', ')}.\n`)
  process.exit(2)
}

setup()
for (const [index, [command, fixed]] of steps.entries()) {
  const isLast = index === steps.length - 1
  const status = run(command, isLast ? [...fixed, ...args] : fixed)
  if (status !== 0) process.exit(status)
}
