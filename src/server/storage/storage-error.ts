import { EarwitnessError } from '../../errors.ts'

/** Failures of one object that no retry can mend, and that say nothing about the store. */
const PERMANENT_CODES: ReadonlySet<string> = new Set(['storage-conflict', 'storage-key-invalid'])

/** What a failing system call means to an operator: a stable code, a sentence, a hint. */
const MEANINGS: ReadonlyMap<string, readonly [code: string, sentence: string, hint: string]> = new Map([
  [
    'ENOSPC',
    [
      'storage-full',
      'The disk of the object folder is full',
      'Free space or extend the volume; check inodes with `df -i` too.',
    ],
  ],
  [
    'EDQUOT',
    [
      'storage-full',
      'The disk quota of the object folder is used up',
      'Raise the quota of the user that runs the recorder.',
    ],
  ],
  [
    'EFBIG',
    [
      'storage-full',
      'The object is larger than a file may be here',
      'Raise the file size limit (`ulimit -f`) of the recorder.',
    ],
  ],
  [
    'EACCES',
    [
      'storage-denied',
      'The object folder may not be used',
      'Give the user that runs the recorder read, write and search permission on it.',
    ],
  ],
  [
    'EPERM',
    [
      'storage-denied',
      'The file system refuses the operation',
      'Object folders need hard links (not FAT or some network shares) and must not be immutable.',
    ],
  ],
  [
    'EROFS',
    [
      'storage-read-only',
      'The file system of the object folder is read-only',
      'Mount it read-write; after a disk error, look at the kernel log first.',
    ],
  ],
  [
    'ENOENT',
    [
      'storage-missing',
      'The object folder is not there',
      'Mount the volume, or create the folder named by `storage.folder.path`.',
    ],
  ],
  [
    'ENOTDIR',
    [
      'storage-blocked',
      'A file is where a folder should be',
      'Move the file away or choose another `storage.folder.path`.',
    ],
  ],
  ['EISDIR', ['storage-blocked', 'A folder is where a file should be', 'Move the folder away or choose another path.']],
  ['ELOOP', ['storage-blocked', 'A symbolic link leads in a circle', 'Remove the link.']],
  [
    'ENOTSUP',
    [
      'storage-unsupported',
      'The file system has no hard links',
      'Use a local file system such as ext4 or xfs for the object folder.',
    ],
  ],
  [
    'EXDEV',
    ['storage-unsupported', 'The object folder spans several file systems', 'Mount nothing inside the object folder.'],
  ],
  [
    'EMFILE',
    [
      'storage-busy',
      'The recorder has too many open files',
      'Raise the open file limit (`ulimit -n`, `LimitNOFILE=`).',
    ],
  ],
  ['ENFILE', ['storage-busy', 'The machine has too many open files', 'Raise `fs.file-max`.']],
  [
    'EIO',
    ['storage-failing', 'The disk of the object folder reports errors', 'Look at the kernel log and replace the disk.'],
  ],
])

/** The EarwitnessError for whatever a file operation threw; an EarwitnessError stays what it is. */
export function storageError(error: unknown, path: string): EarwitnessError {
  if (error instanceof EarwitnessError) return error
  const errno = errnoOf(error)
  const [code, sentence, hint] = MEANINGS.get(errno) ?? [
    'storage-failed',
    'The object folder cannot be used',
    'Look at the log for the cause.',
  ]
  const reason = errno === '' ? '' : ` (${errno})`
  return new EarwitnessError(code, `${sentence}${reason}: ${path}`, hint, { cause: error })
}

/** `ENOENT` and so on, or empty for what is not a system error. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** No retry mends it, and other objects may be stored all the same. */
export function isRefusedForGood(error: unknown): boolean {
  return error instanceof EarwitnessError && PERMANENT_CODES.has(error.code)
}

/** Nobody waits for the store any longer; what was the matter with it until then is the cause. */
export function storageStopped(cause?: unknown): EarwitnessError {
  return new EarwitnessError(
    'storage-stopped',
    'The recorder stopped before the object was stored.',
    'See the log for why the store did not take it.',
    { cause },
  )
}
