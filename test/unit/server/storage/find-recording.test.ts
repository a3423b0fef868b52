import { expect, test } from 'vitest'

import { tenantsOf } from '../../../../src/config/tenants.ts'
import { findRecordingPrefix } from '../../../../src/server/storage/find-recording.ts'
import { codeOf } from '../../../support/object-store-contract.ts'

const ID = '019aaff1-0680-7abc-8def-0123456789ab'
const at = (tenant: string): string => `${tenant}/2025/11/23/${ID}`

test('a recording is found under the first tenant that has objects of it', async () => {
  const asked: string[] = []
  const hasObjects = (prefix: string): Promise<boolean> => {
    asked.push(prefix)
    return Promise.resolve(prefix !== at('default'))
  }
  expect(await findRecordingPrefix(ID, ['default', 'north', 'south'], hasObjects)).toBe(at('north'))
  expect(asked).toEqual([at('default'), at('north')])
  expect(await codeOf(findRecordingPrefix(ID, ['default'], hasObjects))).toBe('recording-not-found')
  expect(await codeOf(findRecordingPrefix('../x', ['default'], hasObjects))).toBe('recording-id-invalid')
})

test('tenants are those of the sources, each once, and the default one', () => {
  const sources = ['north', 'default', 'north', 'south'].map((tenant) => ({ tenant }))
  expect([...tenantsOf({ sources })]).toEqual(['default', 'north', 'south'])
})
