import { describe, expect, it } from 'vitest'

import { load, problemsOf } from './support.ts'

const ON = 'enabled: true'

describe('announcements', () => {
  it('are off, and complete, by default', () => {
    expect(load('').config.announcements).toMatchObject({
      enabled: false,
      user: 'announce',
      mode: 'answer',
      prompts: ['recording-notice'],
      answer: { yes: '1', no: '2', windowMs: 8_000, onNo: 'hangUp', onNone: 'continue' },
      linkWindowMs: 600_000,
    })
  })

  it.each([
    ['config-invalid-value', 'portMin', 'portMin: 15001'],
    ['config-invalid-value', 'portMax', 'portMax: 15200'],
    ['config-conflict', 'overlap', `${ON}, portMin: 16000, portMax: 17001`],
    ['config-conflict', 'simultaneousMax', `${ON}, simultaneousMax: 101`],
    ['config-conflict', 'both', 'answer: {yes: "3", no: "3"}'],
    ['config-conflict', 'no target', `${ON}, mode: early`],
    ['config-invalid-value', 'targets', 'targets: ["pbx.example.com"]'],
    ['config-invalid-value', 'targets', 'targets: ["sip:*@pbx.example.com;maddr=192.0.2.1"]'],
  ])('%s: %s', (code, word, yaml) => {
    const problems = problemsOf(`announcements: {${yaml}}`)
    expect(problems).toMatchObject([{ code }])
    expect(problems[0]?.sentence).toContain(word)
    expect(problems[0]?.hint).toMatch(/\S/u)
  })

  it.each([
    'portMin: 16000, portMax: 17001',
    `${ON}, simultaneousMax: 100`,
    `${ON}, mode: refer, targets: ["sip:*@pbx.example.com", "sips:+49*@[2001:db8::1]:5061"]`,
    'rules: [{dialled: "+1813", prompts: [recording-consent], language: es}]',
  ])('%s is taken', (yaml) => {
    expect(problemsOf(`announcements: {${yaml}}`)).toEqual([])
  })
})
