import { defineConfig } from 'vitest/config'

// Whether a module is imported or required is added to these; it must not be said here, because some are different then.
const conditions = ['@latchkey/source', 'node']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: '100%',
    // Frameworks under test talk to nobody.
    env: { MASTRA_TELEMETRY_DISABLED: '1', OPENAI_AGENTS_DISABLE_TRACING: '1' },
  },
})
