import { createPublicKey, verify } from 'node:crypto'
import { readdirSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { openNote } from '../../../../src/evidence/custody/custody-note.ts'
import { readCustodyChain } from '../../../../src/evidence/custody/custody-chain.ts'
import { standingOf } from '../../../../src/evidence/custody/verify-custody.ts'
import { FindingList } from '../../../../src/evidence/findings.ts'
import { KEY_NAME } from '../../../../src/evidence/object-names.ts'
import { describeVerdict, verifyRecording } from '../../../../src/evidence/verify.ts'
import {
  CUSTODY_NOTE,
  CUSTODY_VECTORS,
  custodyVector,
  writeCustody,
  type CustodyVectorName,
} from '../../../vectors/evidence/sample-custody.ts'
import {
  readerOf,
  RECORDING_ID,
  sha256,
  vault,
  vectorFile,
  vectorSigner,
  vectorText,
} from '../../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()

function files(path: string, end: string): Map<string, Uint8Array> {
  const names = readdirSync(new URL(`../../../vectors/evidence/${path}/`, import.meta.url))
  return new Map(names.filter((name) => name.endsWith(end)).map((name) => [name, vectorFile(`${path}/${name}`)]))
}

const records = (name: CustodyVectorName): Map<string, Uint8Array> => files(`custody/${name}`, '.jws')

describe.each(CUSTODY_VECTORS)('the custody vectors %s', (name) => {
  it('are what the commands write today, byte for byte', async () => {
    const written = await writeCustody(name)
    const stored = records(name)
    expect([...stored.keys()].toSorted()).toEqual([...written.keys()].toSorted())
    for (const [object, bytes] of written)
      expect(Buffer.from(bytes).equals(stored.get(object) ?? Buffer.of())).toBe(true)
  })

  it('are signed, and follow on each other, by nothing but a JOSE library', () => {
    const key = createPublicKey(vectorText('recording-1/signer.pub.pem'))
    let previous: Uint8Array | undefined
    for (const [object, bytes] of records(name)) {
      const [header = '', payload = '', signature = ''] = Buffer.from(bytes).toString('latin1').split('.')
      expect(verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
      expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({ typ: 'earwitness-custody+jws' })
      const clear = Buffer.from(payload, 'base64url').toString()
      expect(clear).toBe(vectorText(`custody/${name}/${object.replace('.jws', '.json')}`))
      const { previousSha256 } = JSON.parse(clear) as { previousSha256?: string }
      expect(previousSha256).toBe(previous === undefined ? undefined : sha256(previous))
      previous = bytes
    }
  })

  it('say after each record how the recording stands', async () => {
    const stored = [...records(name)]
    const { standings } = custodyVector(name)
    const found: string[] = []
    for (const [index] of standings.entries()) {
      const objects = new Map(stored.slice(0, index + 1))
      const findings = new FindingList()
      const trust = { recordingId: RECORDING_ID, keys: [verifyKey], findings }
      const { state } = await readCustodyChain(readerOf(objects), objects.keys(), trust)
      expect(findings.findings).toEqual([])
      found.push(standingOf(state))
    }
    expect(found).toEqual(standings)
  })

  it('have who decided, and why, sealed to the vault', async () => {
    for (const bytes of records(name).values()) {
      const [, payload = ''] = Buffer.from(bytes).toString('latin1').split('.')
      const { note } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { note: string }
      expect(await openNote(note, [vault.identity])).toEqual({ ok: true, value: CUSTODY_NOTE })
    }
  })

  it('verify beside the recording that they are about', async () => {
    const objects = files('recording-1/objects', '')
    if (name === 'shredded') objects.delete(KEY_NAME)
    for (const [object, bytes] of records(name)) objects.set(object, bytes)
    const verdict = await verifyRecording({ recordingId: RECORDING_ID, objects: readerOf(objects), keys: [verifyKey] })
    expect(verdict).toMatchObject({
      verified: true,
      findings: [],
      custody: { state: custodyVector(name).standings.at(-1) },
    })
    expect(describeVerdict(verdict).startsWith('SHREDDED: ')).toBe(name === 'shredded')
  })
})
