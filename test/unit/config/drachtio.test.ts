import { describe, expect, test } from 'vitest'
import { effectiveValues } from '../../../src/cli/check-config.ts'
import { briefly, load, problemsOf } from './support.ts'

const ENGINE = 'sip:\n  engine: drachtio\n'

describe('sip.engine', () => {
  test('is embedded by default, and then nothing of drachtio is looked at', () => {
    expect(load(undefined).config.sip.drachtio).toBeUndefined()
    expect(problemsOf('sip:\n  drachtio:\n    mode: listen\n')).toEqual([])
  })

  test('a near miss is told', () => {
    expect(problemsOf('sip:\n  engine: dratchio\n')[0]).toMatchObject({
      code: 'config-invalid-value',
      hint: expect.stringContaining('drachtio') as string,
    })
  })

  test('drachtio needs a secret, and says where from', () => {
    const [problem] = problemsOf(ENGINE)
    expect(problem).toMatchObject({ code: 'config-conflict', sentence: 'sip.drachtio.secret is missing.' })
    expect(problem?.hint).toContain('drachtio.conf.xml')
  })

  test('the secret comes from the environment or a file, and is never shown', () => {
    const loaded = load(`${ENGINE}  drachtio:\n    secret: env:SECRET\n    host: drachtio_server\n    port: 9122\n`, {
      SECRET: 'cymru',
    })
    expect(loaded.config.sip.drachtio).toEqual({
      mode: 'connect',
      host: 'drachtio_server',
      port: 9122,
      listen: { address: '127.0.0.1', port: 9023 },
      allow: ['127.0.0.0/8', '::1'],
      secret: 'cymru',
    })
    const shown = effectiveValues(loaded).find(({ path }) => path === 'sip.drachtio.secret')
    expect(shown?.value).toBe('***')
    expect(briefly(problemsOf(`${ENGINE}  drachtio:\n    secret: env:NOTHING\n`))).toEqual([
      'config-secret-missing test.yaml:4:13',
    ])
    expect(briefly(problemsOf(`${ENGINE}  drachtio:\n    secret: file:nowhere\n`))).toEqual([
      'config-secret-missing test.yaml:4:13',
    ])
  })

  test.each(['a|b', 'a\\nb'])('a secret that the protocol cannot carry is refused: %s', (secret) => {
    const [problem] = problemsOf(`${ENGINE}  drachtio:\n    secret: "${secret}"\n`)
    expect(problem?.code).toBe('config-invalid-value')
    expect(problem?.sentence).not.toContain('a|b')
  })

  test.each(['sip.example.com:9022', '[::1]', 'a b', '', 'http://x'])('%j is no host', (host) => {
    expect(problemsOf(`${ENGINE}  drachtio:\n    secret: x\n    host: "${host}"\n`)[0]?.sentence).toContain(
      'sip.drachtio.host',
    )
  })

  test.each(['sip.example.com', '192.0.2.10', '2001:db8::10'])('%s is one', (host) => {
    expect(problemsOf(`${ENGINE}  drachtio:\n    secret: x\n    host: "${host}"\n`)).toEqual([])
  })

  test('who may connect is a list of addresses and networks', () => {
    const at = `${ENGINE}  drachtio:\n    secret: x\n    mode: listen\n    allow: `
    expect(load(`${at}[192.0.2.0/24]\n`).config.sip.drachtio?.allow).toEqual(['192.0.2.0/24'])
    expect(problemsOf(`${at}[everybody]\n`)[0]?.sentence).toContain('sip.drachtio.allow[0]')
    expect(problemsOf(`${at}[]\n`)[0]?.sentence).toContain('empty list')
  })

  test('what sip.listen says does not matter then; what drachtio.listen says does', () => {
    const yaml = `sip:\n  engine: drachtio\n  listen: [tls:0.0.0.0:5061, udp:0.0.0.0:16384]\n  drachtio:\n    secret: x\n    mode: listen\n`
    expect(problemsOf(yaml)).toEqual([])
    expect(problemsOf(`${yaml}    listen: 127.0.0.1:8080\n`)[0]?.sentence).toBe(
      'sip.drachtio.listen and http.listen both want tcp:127.0.0.1:8080.',
    )
  })
})
