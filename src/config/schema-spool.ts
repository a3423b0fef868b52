import { duration, group, size } from './schema-parts.ts'

export const spool = group(
  'What waits on disk, sealed, under dataDir/spool: the last seconds of every recording for the case of a crash, and finished objects while the store is away. ' +
    'Beyond these bounds new recording sessions get 503; those that run go on, in memory where the disk has no room.',
  {
    maxBytes: size({
      description: 'An hour of 100 recording sessions of two streams is about 2 GiB.',
      default: '20GiB',
      minimum: '64MiB',
      maximum: '100TiB',
    }),
    maxAge: duration({
      description: 'How long a finished object may wait for the store.',
      default: '24h',
      minimum: '1m',
      maximum: '30d',
    }),
    minFree: size({
      description: 'What must stay free on the volume of dataDir, for the database and the journals.',
      default: '512MiB',
      minimum: '0B',
      maximum: '100TiB',
    }),
  },
)
