// npm start: installs what is missing, then serves until it is told to stop.
import { runToEnd } from './lib/child.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { MAIN, NODE_FLAGS, PINNED_NODE } from './lib/paths.mjs'
import { finish } from './lib/talk.mjs'

await finish(async () => {
  await ensureInstalled()
  return runToEnd(PINNED_NODE, [...NODE_FLAGS, MAIN, 'serve', ...process.argv.slice(2)], { isDaemon: true })
})
