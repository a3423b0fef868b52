import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync, copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { signStatement } from '../../../src/evidence/ledger/statement.ts'
import { readSigningKey } from '../../../src/evidence/signer-keys.ts'
import { isUuidV7 } from '../../../src/ids.ts'
import { RECORDING_ID, sha256, vectorRandom } from '../../vectors/evidence/sample-recording.ts'
import { KEPT_KEY, NEW_VAULT, type TamperedRecording } from './recording.ts'

const planted = sealToRecipients(Buffer.from('AGE-SECRET-KEY-1\n'), [NEW_VAULT.recipient], vectorRandom('planted'))

function flip({ folder }: TamperedRecording, name: string): void {
  const bytes = readFileSync(join(folder, name))
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  writeFileSync(join(folder, name), bytes)
}

function putBack({ dataDir, folder }: TamperedRecording, name: string): void {
  copyFileSync(join(dataDir, KEPT_KEY), join(folder, name))
}

/** A statement for the planted key at the end of the log, signed by somebody else in the name of the recorder. */
async function forgeStatement({ dataDir, folder }: TamperedRecording): Promise<void> {
  const ledger = join(dataDir, 'ledger')
  const logId = readdirSync(ledger).find(isUuidV7) ?? ''
  const entries = readdirSync(join(ledger, logId)).filter((name) => name.startsWith('entries-'))
  const file = join(ledger, logId, entries.toSorted().at(-1) ?? '')
  const seq = readFileSync(file, 'latin1').split('\n').length - 1
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  const header = JSON.parse(Buffer.from(readFileSync(file, 'latin1').split('.')[0] ?? '', 'base64url').toString()) as {
    kid: string
  }
  if (!key.ok) throw new Error('no key')
  const hashes = { sha256: sha256(planted), replacesSha256: sha256(readFileSync(join(folder, 'key-001.age'))) }
  const body = { kind: 'keyRotated', recordingId: RECORDING_ID, name: 'key-002.age', ...hashes } as const
  const place = { logId, seq, at: '2026-11-29T10:00:00.000Z', clock: { status: 'unknown' } } as const
  appendFileSync(file, `${await signStatement(body, place, { ...key.value, keyId: header.kid })}\n`)
}

/** Of a recording whose key was sealed to another vault. */
export const ROTATION_TAMPERINGS: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (node: TamperedRecording) => Promise<void> | void,
])[] = [
  ['the key in force is taken away', ['key-missing'], ({ folder }) => rmSync(join(folder, 'key-001.age'))],
  ['a bit of it is flipped', ['key-changed'], (node) => flip(node, 'key-001.age')],
  ['the key before stands in its place', ['key-swapped'], (node) => putBack(node, 'key-001.age')],
  [
    'the rotation is undone',
    ['key-missing'],
    (node) => {
      putBack(node, 'key.age')
      rmSync(join(node.folder, 'key-001.age'))
    },
  ],
  ['a sealed key is put in', ['key-unexplained'], ({ folder }) => writeFileSync(join(folder, 'key-002.age'), planted)],
  [
    '… with a statement that a stranger signed',
    ['key-unexplained'],
    async (node) => {
      writeFileSync(join(node.folder, 'key-002.age'), planted)
      await forgeStatement(node)
    },
  ],
  [
    'the ledger is taken away, in both places',
    ['key-missing', 'key-unexplained'],
    ({ dataDir }) => {
      rmSync(join(dataDir, 'ledger'), { recursive: true })
      rmSync(join(dataDir, 'recordings', 'ledger'), { recursive: true })
    },
  ],
]
