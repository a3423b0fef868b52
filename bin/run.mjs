// node bin/run.mjs TOOL|FILE [arguments]: runs a tool of node_modules/.bin, or a .ts or .mjs file, under the pinned Node.
import { runToEnd } from './lib/child.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { pathWithTools, PINNED_NODE } from './lib/paths.mjs'
import { finish, SetUpError } from './lib/talk.mjs'

await finish(async () => {
  const [what, ...args] = process.argv.slice(2)
  if (what === undefined) {
    throw new SetUpError('set-up-usage', 'Nothing to run.', 'Type: node bin/run.mjs TOOL|FILE.ts [arguments]')
  }
  await ensureInstalled({ dev: true })
  const env = { ...process.env, PATH: pathWithTools() }
  const isFile = /\.[cm]?[jt]s$/.test(what)
  return isFile ? runToEnd(PINNED_NODE, [what, ...args], { env }) : runToEnd(what, args, { env })
})
