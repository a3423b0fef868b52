import { defineConfig } from 'vitest/config'

import { NODE_FLAGS } from './bin/lib/paths.mjs'

const PURE_TESTS = [
  'test/unit/**/*.test.ts',
  'test/property/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/vectors/**/*.test.ts',
  'test/*.test.ts',
]

// Tests that start media workers in their own process are as safe from V8 as the recorder is.
const execArgv = [...NODE_FLAGS]

// Integration tests run servers, SIPp and FFmpeg, and mostly wait for audio to pass in real time: a few files side by side, and only
// after the pure tests have left the cores free.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'pure', include: PURE_TESTS, execArgv, testTimeout: 60_000, sequence: { groupOrder: 0 } } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          execArgv,
          globalSetup: ['test/support/s3/set-up.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
