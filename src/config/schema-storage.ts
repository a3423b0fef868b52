import { Type } from 'typebox'
import { duration, group, optionalText, size, text } from './schema-parts.ts'

const objectLock = group(
  'WORM: the server itself keeps anybody from deleting or replacing what was stored, the recorder included. The bucket must have been made with Object Lock.',
  {
    mode: Type.Enum(['none', 'governance', 'compliance'], {
      description:
        'governance: users with a special permission may still delete. compliance: nobody can before the time is over, the ' +
        'owner of the account included, and the sealed key is locked too: a recording cannot be shredded before. ' +
        'Some servers accept locks and ignore them; the recorder tries it out at start and says what it found.',
      default: 'none',
    }),
    days: Type.Integer({
      description: 'How long each object is locked from the time it is stored. With compliance there is no way back.',
      default: 30,
      minimum: 1,
      maximum: 36_500,
    }),
  },
)

const s3 = group('For kind: s3. Any S3-compatible server.', {
  endpoint: optionalText({
    description:
      'https://HOST:PORT of the server. Everything is sealed before it is sent, but with http:// others on the way can see and ' +
      'drop requests. null: AWS, in storage.s3.region.',
    'x-kind': 'httpUrl',
  }),
  region: text({
    description: 'Region of the bucket; most servers other than AWS take any.',
    default: 'us-east-1',
    'x-kind': 'host',
  }),
  bucket: optionalText({
    description: 'Bucket, which must be there already. Needed for kind: s3.',
    'x-kind': 'bucket',
  }),
  prefix: text({
    description:
      'Put before the name of every object, such as "recorders/north/". Recorders that share a prefix share recordings.',
    default: '',
    'x-kind': 'objectPrefix',
  }),
  pathStyle: Type.Boolean({
    description: 'true: HOST/BUCKET, which every server of your own understands. false: BUCKET.HOST, as AWS wants it.',
    default: true,
  }),
  accessKeyId: optionalText({
    description:
      'Access key, with secretAccessKey. It needs to put, get, list and delete in the prefix. A secret: better "file:/path" or ' +
      '"env:NAME" than the text itself; SIGHUP reads it again. null: what the environment of AWS gives (AWS_… variables, ' +
      'the role of the machine or container).',
    'x-secret': true,
  }),
  secretAccessKey: optionalText({ description: 'Its secret half. A secret, read again by SIGHUP.', 'x-secret': true }),
  sessionToken: optionalText({
    description: 'For temporary credentials. A secret, read again by SIGHUP.',
    'x-secret': true,
  }),
  caFile: optionalText({
    description: 'Certificates of the CA that signed the certificate of the server, PEM. null: the public CAs.',
    'x-kind': 'path',
  }),
  encryption: Type.Enum(['none', 'aes256', 'kms'], {
    description:
      'A second layer by the server, whose key the server has; recordings are sealed before, whatever stands here. ' +
      'aes256: SSE-S3. kms: SSE-KMS with storage.s3.kmsKeyId.',
    default: 'none',
  }),
  kmsKeyId: optionalText({
    description: 'Key of the KMS for encryption: kms. null: the default key of the bucket.',
  }),
  objectLock,
  requestTimeout: duration({
    description:
      'After this a request counts as failed and is sent again. Shorter finds a dead server sooner, longer bears a slow one.',
    default: '10s',
    minimum: '1s',
    maximum: '5m',
  }),
  uploadsMax: Type.Integer({
    description: 'Objects on their way at once. More hides the latency of a distant server and takes more of it.',
    default: 32,
    minimum: 1,
    maximum: 1000,
  }),
  bandwidth: size({
    description:
      'Bytes a second for uploads, so that they leave room for calls on a thin line. Audio that comes faster waits here. ' +
      '0B: no limit.',
    default: '0B',
    minimum: '0B',
    maximum: '100GiB',
  }),
})

/** The same keys without the explanations: nobody reads them twice. */
const replicaS3 = group('For kind: s3. Another bucket, best of another server; each key as in storage.s3.', {
  endpoint: optionalText({ description: 'Of the replica, as storage.s3.endpoint.', 'x-kind': 'httpUrl' }),
  region: text({ description: 'Of the replica, as storage.s3.region.', default: 'us-east-1', 'x-kind': 'host' }),
  bucket: optionalText({ description: 'Bucket of the replica, which must be there already.', 'x-kind': 'bucket' }),
  prefix: text({ description: 'Of the replica, as storage.s3.prefix.', default: '', 'x-kind': 'objectPrefix' }),
  pathStyle: Type.Boolean({ description: 'Of the replica, as storage.s3.pathStyle.', default: true }),
  accessKeyId: optionalText({
    description: 'Access key for the replica, best one of its own. A secret, read again by SIGHUP.',
    'x-secret': true,
  }),
  secretAccessKey: optionalText({
    description: 'Secret half of the access key of the replica, read again by SIGHUP.',
    'x-secret': true,
  }),
  sessionToken: optionalText({
    description: 'For temporary credentials of the replica, read again by SIGHUP.',
    'x-secret': true,
  }),
  caFile: optionalText({ description: 'Of the replica, as storage.s3.caFile.', 'x-kind': 'path' }),
  encryption: Type.Enum(['none', 'aes256', 'kms'], {
    description: 'Of the replica, as storage.s3.encryption.',
    default: 'none',
  }),
  kmsKeyId: optionalText({ description: 'Of the replica, as storage.s3.kmsKeyId.' }),
  objectLock: group('Of the replica, as storage.s3.objectLock.', {
    mode: Type.Enum(['none', 'governance', 'compliance'], {
      description: 'Of the replica, as storage.s3.objectLock.mode.',
      default: 'none',
    }),
    days: Type.Integer({
      description: 'Of the replica, as storage.s3.objectLock.days.',
      default: 30,
      minimum: 1,
      maximum: 36_500,
    }),
  }),
  requestTimeout: duration({
    description: 'Of the replica, as storage.s3.requestTimeout.',
    default: '10s',
    minimum: '1s',
    maximum: '5m',
  }),
  uploadsMax: Type.Integer({
    description: 'Of the replica, as storage.s3.uploadsMax.',
    default: 16,
    minimum: 1,
    maximum: 1000,
  }),
  bandwidth: size({
    description: 'As storage.s3.bandwidth; it also bounds how fast the replica catches up.',
    default: '0B',
    minimum: '0B',
    maximum: '100GiB',
  }),
})

const replica = group(
  'A second store that gets every object too, and is read from when the first one lacks an object or is down. What it misses in an ' +
    'outage it gets afterwards by itself, also over a restart.',
  {
    kind: Type.Enum(['none', 'folder', 's3'], {
      description: 'none: one store. folder: a directory on another volume. s3: another bucket.',
      default: 'none',
    }),
    durable: Type.Enum(['primary', 'both'], {
      description:
        'When a recording counts as kept, and leaves the spool. primary: when the first store has it; an outage of the replica ' +
        'holds up nothing. both: when both have it; while either is down, recordings wait in the spool.',
      default: 'primary',
    }),
    folder: group('For kind: folder.', {
      path: optionalText({ description: 'Directory, best on another machine or disk.', 'x-kind': 'path' }),
    }),
    s3: replicaS3,
  },
)

/** Keys of `storage`. */
export const storage = group('Where sealed chunks, keys and manifests go.', {
  kind: Type.Enum(['folder', 's3'], {
    description:
      'folder: a directory, local or mounted. s3: a bucket, so that recordings survive this machine; a chunk is there a few ' +
      'seconds after it is full. While the server is down, chunks wait on this machine.',
    default: 'folder',
  }),
  folder: group('For kind: folder.', {
    path: optionalText({
      description:
        'Directory. Everything in it is sealed, so it may be a share that others can read. null: "recordings" ' +
        'under dataDir, which is lost together with this machine.',
      'x-kind': 'path',
    }),
  }),
  s3,
  replica,
})
