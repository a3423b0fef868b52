import { defineConfig } from 'vitest/config'

const PURE_TESTS = [
  'test/unit/**/*.test.ts',
  'test/property/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/vectors/**/*.test.ts',
  'test/*.test.ts',
]

// Integration tests run servers, SIPp and FFmpeg, and mostly wait for audio to pass in real time: a few files side by side, and only
// after the pure tests have left the cores free.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'pure', include: PURE_TESTS, testTimeout: 60_000, sequence: { groupOrder: 0 } } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
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
