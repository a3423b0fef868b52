// npm test: installs what is missing, Debian packages included, then runs every test. Arguments go on to vitest.
import { runToEnd } from './lib/child.mjs'
import { ensurePrograms, ensureUnpackedPrograms, ensureUnpackedServers } from './lib/debian.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { ensureNative } from './lib/native.mjs'
import { pathWithTools, ROOT } from './lib/paths.mjs'
import { finish } from './lib/talk.mjs'

await finish(async () => {
  await ensureInstalled({ dev: true })
  await ensurePrograms()
  await ensureUnpackedPrograms()
  await ensureUnpackedServers()
  // the compiler may have come just now
  await ensureNative()
  const env = { ...process.env, PATH: pathWithTools() }
  return runToEnd('vitest', ['run', ...process.argv.slice(2)], { cwd: ROOT, env })
})
