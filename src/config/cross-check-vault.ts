import { RECIPIENTS_MAX } from '../evidence/age-seal.ts'
import { report, type Checking } from './checking.ts'

/** What the keys of `vault` need of each other. */
export function checkVault(checking: Checking): void {
  const { kind, recipients, awsKms, vaultTransit } = checking.raw.vault
  if (kind === 'aws-kms') checkKeys(checking, kind, 'awsKms', checking.config.vault.awsKms.keys)
  if (kind === 'vault-transit') checkKeys(checking, kind, 'vaultTransit', checking.config.vault.vaultTransit.keys)
  checkCredentials(checking, awsKms)
  checkAddress(checking, 'vaultTransit.address', vaultTransit.address)
  checkAddress(checking, 'awsKms.endpoint', awsKms.endpoint)
  for (const [group, { keys }] of [
    ['awsKms', checking.config.vault.awsKms],
    ['vaultTransit', checking.config.vault.vaultTransit],
  ] as const) {
    checkTwice(checking, group, keys)
  }
  const keys = kind === 'age' ? [] : (kind === 'aws-kms' ? awsKms : vaultTransit).keys
  const sealedTo = recipients.length + keys.filter(({ retired }) => !retired).length
  if (sealedTo > RECIPIENTS_MAX) {
    report(checking, 'config-conflict', ['vault.recipients'], {
      sentence: `The vault has ${sealedTo} recipients, and may have ${RECIPIENTS_MAX}.`,
      hint: 'Leave some of vault.recipients or of the keys of the service out.',
    })
  }
}

type Group = 'awsKms' | 'vaultTransit'

function checkKeys(
  checking: Checking,
  kind: string,
  group: Group,
  keys: readonly { readonly isRetired: boolean }[],
): void {
  const path = `vault.${group}.keys`
  // A key whose file is wrong is told at its own place.
  if (checking.problems.concerns(path) || keys.some(({ isRetired }) => !isRetired)) return
  report(checking, 'config-conflict', [path, 'vault.kind'], {
    sentence:
      keys.length === 0
        ? `${path} is empty, and vault.kind is ${kind}.`
        : `Every one of ${path} is retired, and vault.kind is ${kind}: nothing could be sealed.`,
    hint: 'Give at least one key with the file of its public half; `earwitness keys fetch -o FILE` writes it.',
  })
}

function checkCredentials(
  checking: Checking,
  kms: {
    readonly accessKeyId: string | null
    readonly secretAccessKey: string | null
    readonly sessionToken: string | null
  },
): void {
  const [given, missing] =
    kms.accessKeyId === null ? ['secretAccessKey', 'accessKeyId'] : ['accessKeyId', 'secretAccessKey']
  if ((kms.accessKeyId === null) !== (kms.secretAccessKey === null)) {
    report(checking, 'config-conflict', [`vault.awsKms.${given}`], {
      sentence: `vault.awsKms.${given} is given without vault.awsKms.${missing}.`,
      hint: 'Give both, or neither to use the role of the machine; a recorder needs none.',
    })
  } else if (kms.sessionToken !== null && kms.accessKeyId === null) {
    report(checking, 'config-conflict', ['vault.awsKms.sessionToken'], {
      sentence: 'vault.awsKms.sessionToken is given without vault.awsKms.accessKeyId.',
      hint: 'Temporary credentials have all three.',
    })
  }
}

/** A token, or the key of a recording, in the clear on a network would undo the vault. */
function checkAddress(
  checking: Checking,
  name: 'vaultTransit.address' | 'awsKms.endpoint',
  address: string | null,
): void {
  const path = `vault.${name}`
  const isTransit = name === 'vaultTransit.address'
  if (address === null || checking.problems.concerns(path) || !URL.canParse(address)) return
  const { protocol, hostname, pathname } = new URL(address)
  const isLoopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u.test(hostname)
  if (protocol === 'http:' && !isLoopback) {
    report(checking, 'config-conflict', [path], {
      sentence: `${path} is http:// to another machine: ${isTransit ? 'the token and the keys' : 'keys'} of recordings would be readable on the way.`,
      hint: `Write https://, with vault.${isTransit ? 'vaultTransit' : 'awsKms'}.caFile where the CA is your own.`,
    })
  } else if (isTransit && pathname !== '/') {
    report(checking, 'config-invalid-value', [path], {
      sentence: `${path} has a path in it.`,
      hint: 'Write https://vault.example.com:8200; the mount has a key of its own, vault.vaultTransit.mount.',
    })
  }
}

function checkTwice(
  checking: Checking,
  group: Group,
  keys: readonly { readonly key: string; readonly publicKey: { readonly fingerprint: string } }[],
): void {
  const seen = new Set<string>()
  for (const { key, publicKey } of keys) {
    if (seen.has(publicKey.fingerprint)) {
      report(checking, 'config-conflict', [`vault.${group}.keys`], {
        sentence: `vault.${group}.keys has the same public key twice, the second time for ${key}.`,
        hint: 'Each key has a file of its own; `earwitness keys fetch -o FILE` writes it.',
      })
    }
    seen.add(publicKey.fingerprint)
  }
}
