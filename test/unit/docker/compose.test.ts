import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SaxesParser } from 'saxes'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { NODE_FLAGS } from '../../../bin/lib/paths.mjs'
import { load } from '../config/support.ts'

/** There is no Docker engine where the tests run: what can be known of the files without one. */
const FOLDER = join(import.meta.dirname, '..', '..', '..', 'docker')
const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly profiles?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly command?: readonly string[]
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(read('compose.yaml'), { uniqueKeys: true, strict: true }) as Compose
const services = Object.entries(compose.services)

/** `${NAME:-default}` as compose fills it in when nothing is set. */
function withDefaults(text: string, env: Readonly<Record<string, string>> = {}): string {
  return text.replaceAll(/\$\{([A-Z_]+):-([^}]*)\}/g, (_, name: string, fallback: string) => env[name] ?? fallback)
}

describe('compose.yaml', () => {
  test('starts the recorder and its database by default; everything else has a profile', () => {
    const byDefault = services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name)
    expect(byDefault).toEqual(['recorder', 'postgres'])
    expect(compose.services['drachtio']?.profiles).toEqual(['drachtio'])
  })

  test.each(services)('%s is built here or an image of one version', (_, { image, build }) => {
    if (build === undefined) expect(image).toMatch(/^[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$/)
    else expect(existsSync(join(FOLDER, build.context, build.dockerfile))).toBe(true)
  })

  test.each(services)('%s mounts what is there', (_, { volumes = [] }) => {
    for (const volume of volumes) {
      const [from = ''] = volume.split(':')
      if (from.startsWith('.')) expect(existsSync(join(FOLDER, from))).toBe(true)
      else expect(Object.keys(compose.volumes)).toContain(from)
    }
  })

  test('publishes nothing beyond loopback: what is on the host network decides for itself', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test.each(['embedded', 'drachtio'])('the recorder takes its variables: engine %s', (engine) => {
    const { environment = {} } = compose.services['recorder'] ?? {}
    const filled = Object.entries(environment).map(([name, value]) => [
      name,
      withDefaults(value, { SIP_ENGINE: engine }),
    ])
    const { config } = load(undefined, Object.fromEntries(filled) as Record<string, string>)
    expect(config.database.url).toContain('127.0.0.1:5432')
    expect(config.sip.drachtio?.secret).toBe(engine === 'drachtio' ? 'change-me' : undefined)
  })

  test('recorder and drachtio-server have the same secret and admin port', () => {
    const { command = [] } = compose.services['drachtio'] ?? {}
    const { environment = {} } = compose.services['recorder'] ?? {}
    expect(command[command.indexOf('--secret') + 1]).toBe(environment['EARWITNESS_SIP_DRACHTIO_SECRET'])
    const { config } = load('sip:\n  engine: drachtio\n  drachtio:\n    secret: x\n')
    expect(attributesOf('admin')).toMatchObject({ port: String(config.sip.drachtio?.port) })
  })
})

describe('drachtio.conf.xml', () => {
  test('is well-formed, keeps its admin port on loopback, and logs no messages', () => {
    const text = read('drachtio.conf.xml')
    expect(attributesOf('admin')).toEqual({ port: '9022', secret: 'change-me' })
    expect(text).toContain('>127.0.0.1</admin>')
    expect(text).toContain('<loglevel>notice</loglevel>')
    expect(text).toContain('<contact>sip:*;transport=udp,tcp</contact>')
  })
})

describe('Dockerfile', () => {
  test('starts the recorder as bin/ does, with the same flags', () => {
    const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(read('Dockerfile')) ?? []
    const node = '/app/node_modules/node/bin/node'
    expect(JSON.parse(entry)).toEqual(['/usr/bin/tini', '--', node, ...NODE_FLAGS, '/app/src/main.ts'])
  })
})

/** Attributes of the one element of this name; throws when the file is not well-formed. */
function attributesOf(name: string): Record<string, string> {
  const found: Record<string, string>[] = []
  const parser = new SaxesParser()
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', (tag) => {
    if (tag.name === name) found.push({ ...tag.attributes })
  })
  parser.write(read('drachtio.conf.xml')).close()
  expect(found).toHaveLength(1)
  return found[0] ?? {}
}
