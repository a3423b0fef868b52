import { group, optionalText } from './schema-parts.ts'

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
})
