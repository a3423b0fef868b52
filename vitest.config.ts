import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    reporters: process.env['CI'] === undefined ? ['default'] : ['default', ['json', { outputFile: '.vitest/report.json' }]],
    projects: [
      { test: { name: 'pure', include: ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts', 'test/simulation/**/*.test.ts', 'test/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], testTimeout: 240_000, hookTimeout: 240_000, fileParallelism: false } },
    ],
  },
})
