import { join } from 'node:path'
import { report, type Checking } from './checking.ts'
import type { Config } from './config.ts'
import type { RawConfig } from './schema.ts'

type RawStorage = RawConfig['storage']

/** What the keys of `storage` need of each other. */
export function checkStorage(checking: Checking): void {
  const { kind, s3, replica } = checking.raw.storage
  if (kind === 's3') checkS3(checking, s3, 'storage')
  if (replica.kind === 's3') checkS3(checking, replica.s3, 'storage.replica')
  if (replica.kind === 'folder' && replica.folder.path === null && !checking.problems.concerns(REPLICA_PATH)) {
    report(checking, 'config-conflict', [REPLICA_PATH, 'storage.replica.kind'], {
      sentence: 'storage.replica.folder.path is missing, and storage.replica.kind is folder.',
      hint: 'Name a directory on another disk or machine.',
    })
  }
  if (!isSameStore(checking.config)) return
  report(checking, 'config-conflict', ['storage.replica.kind'], {
    sentence: 'storage.replica is the store that storage names already.',
    hint: 'Name another directory, bucket or prefix, or set storage.replica.kind to none.',
  })
}

const REPLICA_PATH = 'storage.replica.folder.path'

function checkS3(checking: Checking, s3: RawStorage['s3'] | RawStorage['replica']['s3'], path: string): void {
  if (s3.bucket === null && !checking.problems.concerns(`${path}.s3.bucket`)) {
    report(checking, 'config-conflict', [`${path}.s3.bucket`, `${path}.kind`], {
      sentence: `${path}.s3.bucket is missing, and ${path}.kind is s3.`,
      hint: 'Name the bucket; it must be there already.',
    })
  }
  const [given, missing] =
    s3.accessKeyId === null ? ['secretAccessKey', 'accessKeyId'] : ['accessKeyId', 'secretAccessKey']
  if ((s3.accessKeyId === null) !== (s3.secretAccessKey === null)) {
    report(checking, 'config-conflict', [`${path}.s3.${given}`], {
      sentence: `${path}.s3.${given} is given without ${path}.s3.${missing}.`,
      hint: 'Give both, or neither to use the role of the machine.',
    })
  }
  if (s3.sessionToken !== null && s3.accessKeyId === null) {
    report(checking, 'config-conflict', [`${path}.s3.sessionToken`], {
      sentence: `${path}.s3.sessionToken is given without ${path}.s3.accessKeyId.`,
      hint: 'Temporary credentials have all three.',
    })
  }
  if (s3.kmsKeyId !== null && s3.encryption !== 'kms') {
    report(checking, 'config-conflict', [`${path}.s3.kmsKeyId`, `${path}.s3.encryption`], {
      sentence: `${path}.s3.kmsKeyId is given, and ${path}.s3.encryption is not kms.`,
      hint: 'Set encryption to kms, or leave the key out.',
    })
  }
}

/** Two names for one place cannot all be found out; the same name can. */
function isSameStore({ storage, dataDir }: Config): boolean {
  const { folder, s3, replica } = storage
  if (replica === undefined) return false
  if (s3 === undefined || replica.s3 === undefined) {
    return s3 === replica.s3 && (folder.path ?? join(dataDir, 'recordings')) === replica.folder.path
  }
  const { endpoint, bucket, prefix } = replica.s3
  return bucket !== '' && s3.endpoint === endpoint && s3.bucket === bucket && s3.prefix === prefix
}
