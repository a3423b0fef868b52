#!/usr/bin/env node
// npx earwitness COMMAND: the command line under the pinned Node, whichever Node is installed.
import { runToEnd } from './lib/child.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { MAIN, NODE_FLAGS, PINNED_NODE } from './lib/paths.mjs'
import { finish } from './lib/talk.mjs'

await finish(async () => {
  await ensureInstalled()
  return runToEnd(PINNED_NODE, [...NODE_FLAGS, MAIN, ...process.argv.slice(2)], {
    isDaemon: process.argv[2] === 'serve',
  })
})
