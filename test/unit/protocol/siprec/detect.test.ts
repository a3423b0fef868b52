import { expect, test } from 'vitest'
import { isRecordingRequest } from '../../../../src/protocol/siprec/detect.ts'

const NOTHING = { require: [], contact: undefined, hasMetadataPart: false }

test.each([
  ['Require: siprec', { ...NOTHING, require: ['siprec'] }],
  ['Require with several tags', { ...NOTHING, require: ['100rel, SipRec'] }],
  ['+sip.src after the brackets', { ...NOTHING, contact: '<sip:src@192.0.2.1>;+sip.src' }],
  ['+sip.src inside the brackets', { ...NOTHING, contact: '<sip:src@192.0.2.1;+sip.src>' }],
  [
    '+sip.src among other parameters',
    { ...NOTHING, contact: '"A;B" <sip:x@192.0.2.1;ob> ; expires=60 ; +sip.src ; x' },
  ],
  ['a bare src', { ...NOTHING, contact: '<sip:src@192.0.2.1>;src' }],
  ['+sip.src with a value', { ...NOTHING, contact: 'sip:192.0.2.1;+sip.src="TRUE"' }],
  ['metadata in the body', { ...NOTHING, hasMetadataPart: true }],
])('%s is enough', (_, request) => {
  expect(isRecordingRequest(request)).toBe(true)
})

test.each([
  ['nothing', NOTHING],
  ['another required tag', { ...NOTHING, require: ['siprecx', 'timer'] }],
  ['a user or host named src', { ...NOTHING, contact: '<sip:src@src>' }],
  ['a tag in the display name', { ...NOTHING, contact: '"x;+sip.src" <sip:a@192.0.2.1>' }],
  ['a src parameter with a value of its own', { ...NOTHING, contact: '<sip:a@192.0.2.1>;src=192.0.2.2' }],
  ['a tag that is denied', { ...NOTHING, contact: '<sip:a@192.0.2.1>;+sip.src="FALSE"' }],
  ['a user part with a semicolon', { ...NOTHING, contact: '<sip:a;src@192.0.2.1>' }],
])('%s is not', (_, request) => {
  expect(isRecordingRequest(request)).toBe(false)
})
