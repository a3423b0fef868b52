import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import { EarwitnessError, ExitCode } from '../errors.ts'
import { rsaVaultKeyPem } from '../evidence/rsa-vault-key.ts'
import { isVaultProvider } from '../evidence/vault-recipient.ts'
import { errnoOf } from '../server/storage/storage-error.ts'
import { openKeyService } from '../server/vault/key-service.ts'
import { textOption, usageError } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { writeJson, writeLines } from './output.ts'

/** `keys fetch PROVIDER KEY -o FILE`: the public half of a key of a key service, to be pinned in the configuration. */
export async function fetchKey(context: CommandContext, operands: readonly string[]): Promise<ExitCode> {
  const { args, cwd, stdout, stderr, json } = context
  const [provider = '', asked = '', ...more] = operands
  const output = textOption(args, 'output')
  if (!isVaultProvider(provider) || asked === '' || more.length > 0 || output === undefined) {
    const hint =
      'Write `keys fetch aws-kms ARN -o FILE`, or `keys fetch vault-transit NAME -o FILE` (NAME:2 for its second version).'
    throw usageError('keys-fetch-what', 'It takes the service, the name of the key and -o FILE.', hint)
  }
  const name = provider === 'aws-kms' ? { key: asked, version: 1 } : transitName(asked)
  const service = await openKeyService(context.config().vault, provider)
  const key = await service.fetch(name)
  await writePublicFile(resolve(cwd, output), output, rsaVaultKeyPem(key))
  const { fingerprint } = key
  if (json) {
    writeJson(stdout, { provider, ...name, fingerprint, file: output })
    return ExitCode.done
  }
  writeLines(stdout, [fingerprint])
  const isTransit = provider === 'vault-transit'
  writeLines(stderr, [
    `The public half is in ${output}. Compare its fingerprint, in the first line, with somebody who has asked the service himself:`,
    'what is sealed to a wrong key opens for whoever has that.',
    '',
    'For the configuration of the recorder:',
    '',
    '  vault:',
    `    kind: ${provider}`,
    `    ${isTransit ? 'vaultTransit' : 'awsKms'}:`,
    '      keys:',
    `        - key: ${name.key}`,
    ...(isTransit ? [`          version: ${name.version}`] : []),
    `          publicKeyFile: ${output}`,
  ])
  return ExitCode.done
}

/** `NAME` or `NAME:VERSION`. */
function transitName(text: string): { readonly key: string; readonly version: number } {
  const [, key, version = '1'] = /^([A-Za-z0-9_.-]{1,128})(?::([1-9]\d{0,5}))?$/u.exec(text) ?? []
  if (key !== undefined) return { key, version: Number(version) }
  throw usageError(
    'keys-fetch-what',
    'That is not the name of a key of Vault Transit.',
    'Write NAME, or NAME:2 for its second version.',
  )
}

async function writePublicFile(file: string, name: string, pem: string): Promise<void> {
  try {
    await writeFile(file, pem, { flag: 'wx', mode: 0o644, flush: true })
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'EEXIST') {
      const hint =
        'A pinned key is never replaced unseen: give another file with -o, or compare the two and take the old one away.'
      throw new EarwitnessError('keys-file-exists', `${name} exists already.`, hint, { cause: error })
    }
    const hint = 'Check that the directory exists and that you may write there, or give another file with -o.'
    throw new EarwitnessError('keys-not-written', `${name} cannot be created (${code}).`, hint, { cause: error })
  }
}
