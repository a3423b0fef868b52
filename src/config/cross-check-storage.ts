import { report, type Checking } from './checking.ts'

/** What the keys of `storage.s3` need of each other. */
export function checkStorage(checking: Checking): void {
  const { kind, s3 } = checking.raw.storage
  if (kind !== 's3') return
  if (s3.bucket === null && !checking.problems.concerns('storage.s3.bucket')) {
    report(checking, 'config-conflict', ['storage.s3.bucket', 'storage.kind'], {
      sentence: 'storage.s3.bucket is missing, and storage.kind is s3.',
      hint: 'Name the bucket; it must be there already.',
    })
  }
  const [given, missing] =
    s3.accessKeyId === null ? ['secretAccessKey', 'accessKeyId'] : ['accessKeyId', 'secretAccessKey']
  if ((s3.accessKeyId === null) !== (s3.secretAccessKey === null)) {
    report(checking, 'config-conflict', [`storage.s3.${given}`], {
      sentence: `storage.s3.${given} is given without storage.s3.${missing}.`,
      hint: 'Give both, or neither to use the role of the machine.',
    })
  }
  if (s3.sessionToken !== null && s3.accessKeyId === null) {
    report(checking, 'config-conflict', ['storage.s3.sessionToken'], {
      sentence: 'storage.s3.sessionToken is given without storage.s3.accessKeyId.',
      hint: 'Temporary credentials have all three.',
    })
  }
  if (s3.kmsKeyId !== null && s3.encryption !== 'kms') {
    report(checking, 'config-conflict', ['storage.s3.kmsKeyId', 'storage.s3.encryption'], {
      sentence: 'storage.s3.kmsKeyId is given, and storage.s3.encryption is not kms.',
      hint: 'Set encryption to kms, or leave the key out.',
    })
  }
}
