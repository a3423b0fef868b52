import { expect, it } from 'vitest'

import { sipfragStatus } from '../../../../src/protocol/sip/sipfrag.ts'
import { bytesOf } from './wire.ts'

it.each([
  ['SIP/2.0 100 Trying', 100],
  ['SIP/2.0 200 OK\r\nContact: <sip:a@b>\r\n', 200],
  ['\r\nsip/2.0 486', 486],
  ['SIP/2.0 99 Early', undefined],
  ['SIP/2.0 700 Late', undefined],
  ['SIP/2.0 2000', undefined],
  ['SIP/1.0 200 OK', undefined],
  ['', undefined],
])('the status of %j is %s', (body, status) => {
  expect(sipfragStatus(bytesOf(body))).toBe(status)
})
