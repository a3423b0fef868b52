import { Type } from 'typebox'

import { group, optionalText, text } from './schema-parts.ts'

const witness = group('A witness.', {
  url: text({ description: 'http:// or https:// URL under which its add-checkpoint is.', 'x-kind': 'httpUrl' }),
  key: text({ description: 'NAME+KEYID+KEY, as it prints it.' }),
})

export const ledger = group('The log of signed statements about recordings.', {
  timestamp: group(
    'Time stamps of somebody else (RFC 3161) on its checkpoints, so that nobody has to trust the clock of the recorder.',
    {
      url: optionalText({
        description:
          'http:// or https:// URL of a time stamping authority. It is sent a hash at most once a minute, and learns nothing else; its answer is kept beside the checkpoint in ' +
          'the store and in bundles. While it does not answer, recording goes on and the next checkpoint is stamped. null: no time stamps.',
        'x-kind': 'httpUrl',
      }),
    },
  ),
  witnesses: Type.Array(witness, {
    description:
      'Others who remember how far they have seen the ledger, and sign under each checkpoint that goes on from there (C2SP tlog-witness; `earwitness witness` is one). With them ' +
      'nobody can take back or tell in two ways what a ledger has said, also not who holds all keys of this machine. Who deletes a ledger everywhere and begins another is found only by ' +
      '`ledger verify --checkpoint` with the *.note files of the witness. Each is asked with every checkpoint, which there is once a minute while something happens, and after ' +
      '1,000 statements; it learns hashes and times only. While one does not answer, recording goes on.',
    default: [],
    maxItems: 8,
  }),
})
