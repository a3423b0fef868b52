import { generateKeyPairSync } from 'node:crypto'

import { signBundleList } from '../../../src/evidence/bundle/list-signature.ts'
import { readSigningKey } from '../../../src/evidence/signer-keys.ts'
import { sha256 } from '../../vectors/evidence/sample-recording.ts'
import type { RawMember } from '../zips.ts'

type Members = readonly RawMember[]

function edited(all: Members, name: RegExp, edit: (text: string) => string): Members {
  return all.map((member) => {
    if (!name.test(member.name)) return member
    const content = Buffer.from(edit(Buffer.from(member.content).toString('latin1')), 'latin1')
    if (content.equals(member.content)) throw new Error(`nothing was changed in ${member.name}`)
    return { ...member, content }
  })
}

const flip = (text: string): string => {
  const at = text.length >> 1
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1)
}
const without = (all: Members, name: string): Members => all.filter((member) => member.name !== name)

/** The list made to fit what is there, its signature left as it is. */
function relisted(all: Members): Members {
  return edited(all, /^bundle\.json$/, (text) => {
    const list = JSON.parse(text) as { members: { name: string; sha256: string; sizeBytes: number }[] }
    const members = all
      .filter(({ name }) => !name.startsWith('bundle.'))
      .map(({ name, content }) => ({ name, sha256: sha256(content), sizeBytes: content.length }))
    const ordered = members.map(({ name, sha256: hash, sizeBytes }) => ({ name, sha256: hash, sizeBytes }))
    return JSON.stringify({ ...list, members: ordered.toSorted((one, other) => (one.name < other.name ? -1 : 1)) })
  })
}

async function signedByStranger(all: Members): Promise<Members> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  const list = all.find(({ name }) => name === 'bundle.json')
  if (!key.ok || list === undefined) throw new Error('no key, or no list')
  const content = Buffer.from(await signBundleList(list.content, key.value))
  return all.map((member) => (member.name === 'bundle.jws' ? { ...member, content } : member))
}

const OBJECT = 'objects/chunk-000001.age'
const PROOF = /^ledger\//

export const BUNDLE_TAMPERINGS: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (all: Members) => Members | Promise<Members>,
])[] = [
  [
    'a word of the report is changed',
    ['member-changed'],
    (all) => edited(all, /^report/, (text) => text.replace('VERIFIED', 'PROVED')),
  ],
  ['the report and the list together', ['bundle-forged'], (all) => relisted(edited(all, /^report/, flip))],
  [
    'the report and the list, and the signature is taken out',
    ['bundle-unsigned'],
    (all) => without(relisted(edited(all, /^report/, flip)), 'bundle.jws'),
  ],
  ['the list is signed by a stranger', ['bundle-unknown-signer'], signedByStranger],
  [
    'the signature is no signature',
    ['bundle-signature-unreadable'],
    (all) => edited(all, /^bundle\.jws$/, () => 'nothing'),
  ],
  ['there is no list', ['bundle-list-missing'], (all) => without(all, 'bundle.json')],
  ['the list is no list', ['bundle-list-unreadable'], (all) => edited(all, /^bundle\.json$/, () => '{}')],
  ['a bit of a chunk is flipped', ['member-changed', 'chunk-changed'], (all) => edited(all, /chunk-000001/, flip)],
  ['a chunk is taken out', ['member-missing', 'chunk-missing'], (all) => without(all, OBJECT)],
  ['a file is put in', ['member-added'], (all) => [...all, { name: 'read-me.txt', content: Buffer.from('read me') }]],
  ['a chunk is there twice', ['member-repeated'], (all) => [...all, { name: OBJECT, content: Buffer.from('other') }]],
  [
    'a member is damaged inside the zip',
    ['member-unreadable'],
    (all) =>
      all.map((member) => (member.name === OBJECT ? { ...member, localName: 'objects/chunk-000009.age' } : member)),
  ],
  [
    'the manifest is edited',
    ['member-changed', 'manifest-unreadable'],
    (all) => edited(all, /manifest/, (text) => text.replace('.', '.e30')),
  ],
  [
    'a statement of the ledger is changed',
    ['member-changed', 'statement-unreadable'],
    (all) => edited(all, PROOF, (text) => text.replace('"jws":"', '"jws":"A')),
  ],
  [
    'a statement stands at another place',
    ['statement-foreign'],
    (all) => edited(all, PROOF, (text) => text.replace('"seq":3}', '"seq":2}')),
  ],
  [
    'the proof of a statement is changed',
    ['statement-not-included'],
    (all) => edited(all, PROOF, (text) => text.replace(/"inclusion":\["..../, '"inclusion":["AAAA')),
  ],
  [
    'the checkpoint is back-dated',
    ['checkpoint-forged'],
    (all) => edited(all, PROOF, (text) => text.replaceAll('time 2026', 'time 2025')),
  ],
  ['the proofs are no proofs', ['log-proof-unreadable'], (all) => edited(all, PROOF, () => '{}')],
  [
    'opened audio that nobody sealed',
    ['opened-wrong'],
    (all) => [...all, { name: 'opened/recording.ogg', content: Buffer.from('OggS') }],
  ],
]
