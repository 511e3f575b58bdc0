#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`latchkey needs Node 22.19 or newer; this is ${process.versions.node}.\n`)
  process.exit(1)
}
silenceSqliteWarning()
await import('../dist/cli.js')

// Node calls its SQLite experimental at every start. Who runs a gateway cannot do anything about that; every other
// warning is printed as ever.
function silenceSqliteWarning() {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning, ...rest) => {
    const isAboutSqlite = rest[0] === 'ExperimentalWarning' && String(warning).startsWith('SQLite is an experimental')
    if (!isAboutSqlite) emitWarning(warning, ...rest)
  }
}
