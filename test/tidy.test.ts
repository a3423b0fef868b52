import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'

import { describe, expect, test } from 'vitest'

/** The rules of style that a lint cannot check. Each test names the places that break its rule. */
const ROOT = join(import.meta.dirname, '..')
const NOT_OURS = new Set(['node_modules', '.git', 'data', 'dist', '.vitest', '.installing'])
const README_LINES_MAX = 80
const TEXT_EXTENSIONS = new Set(['', '.cjs', '.json', '.md', '.mjs', '.sh', '.sql', '.ts', '.xml', '.yaml', '.yml'])

/** One letter of each stands in brackets, so that this file does not find itself. */
const LATER = /TOD[O]\b|FIXM[E]|@ts-(?:ignor[e]|nochec[k])/
const MACHINES = /\/wor[k]\/|\/roo[t]\/|\/hom[e]\/[a-z]|registry\.npmj[s]|deb\.debia[n]\.org/

function filesUnder(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    if (NOT_OURS.has(entry.name)) return []
    return entry.isDirectory() ? filesUnder(path) : [path]
  })
}

const FILES = filesUnder('.').map((path) => relative('.', path))
const SOURCES = FILES.filter((path) => path.startsWith('src/') && path.endsWith('.ts'))
const CODE = FILES.filter((path) => /^(src|test|bin|sipp-scenarios)\//.test(path) && /\.(ts|mjs)$/.test(path))

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** `path:line: text` of every match of `pattern`, so that a failure can be clicked on. */
function places(paths: readonly string[], pattern: RegExp, textOf: (path: string) => string = read): string[] {
  return paths.flatMap((path) =>
    textOf(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

/** Code with comments, strings and the words of templates blanked out, line for line. */
function identifiersOf(path: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g
  return read(path).replace(tokens, (token) => {
    const kept = token.startsWith('`')
      ? Array.from(token.matchAll(/\$\{([^}]*)\}/g), (match) => match[1]).join(' ')
      : ''
    return kept.replaceAll('\n', ' ') + '\n'.repeat(token.split('\n').length - 1)
  })
}

describe('folders', () => {
  const folders = [...new Set(SOURCES.map((path) => dirname(path)))].filter((folder) => folder !== 'src')

  test.each(folders)('%s has a README of at most a page', (folder) => {
    const readme = join(folder, 'README.md')
    expect(FILES, `${readme} is missing`).toContain(readme)
    expect(read(readme).split('\n').length).toBeLessThanOrEqual(README_LINES_MAX)
  })

  test('file names are kebab-case', () => {
    const named = FILES.filter((path) => /^(src|test|bin|sipp-scenarios|config)\//.test(path))
    const wrong = named.filter((path) => !/^(README|FORMAT)\.md$|^\.?[a-z0-9]+([-.][a-z0-9]+)*$/.test(basename(path)))
    expect(wrong).toEqual([])
  })

  test('there are no barrels', () => {
    expect(CODE.filter((path) => basename(path, extname(path)) === 'index')).toEqual([])
  })
})

describe('imports point one way', () => {
  const PURE = ['protocol', 'media', 'consent', 'evidence']
  /** What each folder of src may import besides itself and the leaf modules beside main.ts. */
  const MAY_IMPORT = new Map([
    ['main.ts', ['cli', 'config']],
    ['cli', ['server', 'recorder', 'config', ...PURE]],
    ['server', ['recorder', 'config', ...PURE]],
    ['recorder', PURE],
    ['config', ['consent', 'evidence']],
    ['console', ['evidence']],
    ['protocol', []],
    ['media', ['protocol/rtp']],
    ['consent', ['protocol/rtp']],
    ['evidence', []],
  ])
  /** package.json is where the version stands. */
  const LEAVES = new Set(['result.ts', 'errors.ts', 'ids.ts', '../package.json'])

  function importsOf(path: string): string[] {
    const found = read(path).matchAll(/(?:from|import|import\()\s*'(\.[^']+)'/g)
    return Array.from(found, (match) => relative('src', join(dirname(path), match[1] ?? '')))
  }

  test.each(SOURCES)('%s', (path) => {
    const home = relative('src', path).split('/', 1)[0] ?? ''
    const allowed = LEAVES.has(home) ? [] : MAY_IMPORT.get(home)
    expect(allowed, `src/${home} has no place in the order of imports`).toBeDefined()
    const wrong = importsOf(path).filter((target) => {
      const within = [home, ...(allowed ?? [])].some((folder) => target === folder || target.startsWith(`${folder}/`))
      return !within && !LEAVES.has(target)
    })
    expect(wrong).toEqual([])
  })
})

describe('words', () => {
  test('a Call-ID is a sipCallId, to be told from every other id', () => {
    expect(places(CODE, /(?<![sS]ip)[cC]allI[dD]/, identifiersOf)).toEqual([])
  })

  test('there are no legs, tracks and bare sessions', () => {
    // a session is a whole of its own in SDP (RFC 8866) and an element of rs-metadata (RFC 7865)
    const sources = SOURCES.filter((path) => !path.startsWith('src/protocol/'))
    expect(places(sources, /\b(leg|legs|track|tracks|session|sessions)\b(?!\s*:\s*')/, identifiersOf)).toEqual([])
  })

  test('pure code does not ask for the time', () => {
    const pure = SOURCES.filter((path) => /^src\/(protocol|media|consent|evidence|recorder)\//.test(path))
    expect(places(pure, /new Date\(\s*\)|\bDate\(\s*\)/, identifiersOf)).toEqual([])
  })

  test('nothing is left for later, and no check is switched off without a reason', () => {
    expect(places(CODE, LATER)).toEqual([])
  })
})

test('no path of one machine and no package registry is named anywhere', () => {
  const texts = FILES.filter((path) => TEXT_EXTENSIONS.has(extname(path)))
  expect(places(texts, MACHINES)).toEqual([])
})

describe('packages', () => {
  interface Manifest {
    readonly dependencies: Readonly<Record<string, string>>
    readonly devDependencies: Readonly<Record<string, string>>
  }
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Manifest
  const contributing = read('CONTRIBUTING.md')

  test.each(Object.keys({ ...dependencies, ...devDependencies }))('%s has its reason in CONTRIBUTING.md', (name) => {
    expect(contributing).toContain(`| \`${name}\` | `)
  })

  test('are pinned exactly', () => {
    const all = Object.entries({ ...dependencies, ...devDependencies })
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
  })

  test('are locked without download addresses', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"')
  })
})
