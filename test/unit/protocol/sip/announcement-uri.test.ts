import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readAnnouncementUri } from '../../../../src/protocol/sip/announcement-uri.ts'
import { allowTarget, parseTargetPattern } from '../../../../src/protocol/sip/target-pattern.ts'

describe('the Request-URI of an announcement', () => {
  it.each([
    ['sip:announce@h', { promptIds: [], mode: undefined, target: undefined }],
    ['sip:announce@h;play=notice,ask;locale=de-CH', { promptIds: ['notice', 'ask'], language: 'de-CH' }],
    ['sip:announce@h;play=http%3A%2F%2Fh%2Fprompts%2Fnotice.wav', { promptIds: ['notice'] }],
    ['sip:announce@h;play="file://prompts/notice.WAV"', { promptIds: ['notice'] }],
    ['sip:announce@h;early=yes', { mode: 'early' }],
    ['sip:announce@h;early=no', { mode: 'answer' }],
    ['sip:announce@h;mode=refer;early=yes', { mode: 'refer' }],
    ['sip:announce@h;target=sip%3A100%40pbx%3Btransport%3Dtcp', { target: 'sip:100@pbx;transport=tcp' }],
    [
      'sip:announce@h;dialled=%2B49301;jurisdiction=DE;call-id=a%40b',
      { dialled: '+49301', jurisdiction: 'DE', sipCallId: 'a@b' },
    ],
  ])('%s', (text, expected) => {
    const read = readAnnouncementUri(text)
    expect(read.ok && read.value).toMatchObject(expected)
  })

  it.each([
    ['uri', 'sip:h'],
    ['uri', 'tel:+49'],
    ['mode', 'sip:announce@h;mode=loud'],
    ['mode', 'sip:announce@h;early=maybe'],
    ['escape', 'sip:announce@h;target=%zz'],
    ['escape', `sip:announce@h;target=${'x'.repeat(600)}`],
    ['play', 'sip:announce@h;play=1,2,3,4,5,6,7,8,9'],
  ])('refused as %s: %s', (reason, text) => {
    expect(readAnnouncementUri(text)).toEqual({ ok: false, reason })
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void readAnnouncementUri(`sip:announce@h;${text}`)))
  })
})

describe('onward targets', () => {
  const patterns = ['sip:+49*@pbx.example.com', 'sips:*@192.0.2.1:5061', 'sip:a.c@[2001:db8::1]'].map((text) => {
    const pattern = parseTargetPattern(text)
    if (!pattern.ok) throw new Error(text)
    return pattern.value
  })

  it.each([
    'sip:+49301234@pbx.example.com',
    'sip:+49@PBX.example.com',
    'sip:+49301234@pbx.example.com;transport=tcp;user=phone',
    'sips:anyone@192.0.2.1:5061',
    'sip:a.c@[2001:db8::1]',
  ])('%s is allowed', (target) => {
    expect(allowTarget(target, patterns)).toEqual({ ok: true, value: target })
  })

  it.each([
    ['forbidden', 'sip:+33301234@pbx.example.com'],
    ['forbidden', 'sip:0+49301234@pbx.example.com'],
    ['forbidden', 'sip:+49301234@pbx.example.com.evil.example'],
    ['forbidden', 'sip:+49301234@pbx.example.com:5070'],
    ['forbidden', 'sips:+49301234@pbx.example.com'],
    ['forbidden', 'sips:anyone@192.0.2.1'],
    ['forbidden', 'sip:abc@[2001:db8::1]'],
    ['extra', 'sip:+49301234@pbx.example.com;maddr=198.51.100.1'],
    ['extra', 'sip:+49301234@pbx.example.com?Route=%3Csip%3Aevil%3E'],
    ['extra', 'sip:+49301234@pbx.example.com,sip:1@evil'],
    ['extra', 'sip:+49*@pbx.example.com'],
    ['user', 'sip:+49;x=@evil@pbx.example.com'],
    ['user', 'sip:%2B49301234@pbx.example.com'],
    ['user', 'sip:pbx.example.com'],
    ['syntax', 'tel:+49301234'],
    ['syntax', 'sip:+49301234@pbx.example.com>\r\nX: y'],
  ])('%s: %s', (reason, target) => {
    expect(allowTarget(target, patterns)).toMatchObject({ ok: false, reason })
  })

  it('none is allowed without a pattern', () => {
    expect(allowTarget('sip:1@h', [])).toEqual({ ok: false, reason: 'forbidden' })
  })
})
