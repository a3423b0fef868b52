// Plain JavaScript without dependencies: this folder runs on the Node that is there (20 or later), before anything is installed.
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const MODULES = join(ROOT, 'node_modules')
/** The Node the project runs on: the `node` package, pinned in package.json. */
export const PINNED_NODE = join(MODULES, 'node', 'bin', 'node')
/** Programs that are unpacked for the tests, not installed. */
export const UNPACKED_PROGRAMS = join(MODULES, '.earwitness', 'bin')
/** Servers with libraries of their own, unpacked for the tests as their packages would lie under `/`. */
export const UNPACKED_CEPH = join(MODULES, '.earwitness', 'ceph')
export const UNPACKED_KAMAILIO = join(MODULES, '.earwitness', 'kamailio')
export const UNPACKED_RTPENGINE = join(MODULES, '.earwitness', 'rtpengine')
export const UNPACKED_SPEECH = join(MODULES, '.earwitness', 'speech')
export const MAIN = join(ROOT, 'src', 'main.ts')
/**
 * What the recorder's Node is started with: V8 has no such settings for one thread, and promises nothing about one that is made later.
 *
 * By how much of what is in use the old generation grows before it is collected. Left to itself it becomes several times as much: of 100 recording sessions two fifths of
 * the memory of each, for 1 % of a media worker's CPU.
 *
 * Compiled WebAssembly stays where it is. V8 frees what it believes to be unused, and where one thread has ended and another begins it may free code that its books do not have: then the whole
 * process ends (`jit_page.has_value()`, nodejs/node 64500), with all its recordings. Node strips the types of our modules by WebAssembly in every thread. It costs 3 MB once.
 */
export const NODE_FLAGS = ['--heap-growing-percent=30', '--no-wasm-code-gc']

/** The first executable called `name` on `path`, or undefined. */
export function findOnPath(name, path = process.env.PATH ?? '') {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue
    const candidate = join(folder, name)
    try {
      accessSync(candidate, constants.X_OK)
      if (statSync(candidate).isFile()) return candidate
    } catch {
      // not here; the next folder may have it
    }
  }
  return undefined
}

/** PATH with the pinned Node and the project's tools first, so that `#!/usr/bin/env node` means the pinned one. */
export function pathWithTools() {
  return [dirname(PINNED_NODE), join(MODULES, '.bin'), UNPACKED_PROGRAMS, process.env.PATH ?? ''].join(delimiter)
}

/** PATH without anything inside node_modules: npm must not run on a Node that it is about to delete. */
export function pathWithoutTools() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => folder !== '' && !folder.startsWith(MODULES)).join(delimiter)
}
