import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseArguments } from '../../../src/cli/arguments.ts'
import { command } from '../../../src/cli/keys.ts'
import { rotationVaults } from '../../../src/cli/rotation-vaults.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { VaultIdentity } from '../../../src/evidence/vault-open.ts'
import { newVault, rsaVault, vault, vectorPath } from '../../vectors/evidence/sample-recording.ts'

/** Which vault is left and which is rotated to, where key services are among them. Nobody is asked for that. */
let folder: string
let keyFile: string
const [fresh] = newVault
const kms = rsaVault['aws-kms']
/** The other key of the vectors, as one of AWS KMS. */
const second = { ...rsaVault['vault-transit'], provider: 'aws-kms' }

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-vaults-'))
  keyFile = join(folder, 'vault.agekey')
  writeFileSync(keyFile, `${vault.identity}\n`)
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const keyOf = (index: number, file: string, retired = false): Readonly<Record<string, string>> => ({
  [`EARWITNESS_VAULT_AWS_KMS_KEYS_${index}_KEY`]: `alias/${index}`,
  [`EARWITNESS_VAULT_AWS_KMS_KEYS_${index}_PUBLIC_KEY_FILE`]: vectorPath(`rsa-vault/${file}.pub.pem`),
  [`EARWITNESS_VAULT_AWS_KMS_KEYS_${index}_RETIRED`]: String(retired),
})
const KIND = { EARWITNESS_VAULT_KIND: 'aws-kms' }
const ESCROW = { EARWITNESS_VAULT_RECIPIENTS: fresh?.recipient ?? '' }

async function vaultsOf(env: Readonly<Record<string, string>>, ...argv: readonly string[]) {
  const { config } = loadConfig({ env, cwd: folder })
  const args = parseArguments(command, ['rotate', '--all', ...argv])
  const { oldIdentities, newRecipients, newIdentities } = await rotationVaults({ args }, config)
  const named = (identities: readonly VaultIdentity[] | undefined) =>
    identities?.flatMap((identity) => (typeof identity === 'string' ? [identity] : [...identity.fingerprints]))
  return { old: named(oldIdentities), newRecipients, check: named(newIdentities) }
}

describe('the vaults of a rotation', () => {
  it('are a key file, and what the recorder seals to now', async () => {
    const env = { ...KIND, ...keyOf(0, 'aws-kms'), ...ESCROW }
    expect(await vaultsOf(env, '--identity', keyFile, '--check-with', 'aws-kms')).toEqual({
      ...{ old: [vault.identity], newRecipients: [kms, fresh?.recipient], check: [kms.fingerprint] },
    })
  })

  it('are a key that is retired, and the one in its place, of one service', async () => {
    const env = { ...KIND, ...keyOf(0, 'aws-kms', true), ...keyOf(1, 'vault-transit') }
    const vaults = await vaultsOf(env, '--identity', 'aws-kms')
    expect(vaults).toEqual({ old: [kms.fingerprint], newRecipients: [second], check: undefined })
  })

  it('are the same key of a service, where an escrow key is added', async () => {
    const env = { ...KIND, ...keyOf(0, 'aws-kms'), ...ESCROW }
    expect(await vaultsOf(env, '--identity', 'aws-kms')).toMatchObject({
      old: [kms.fingerprint],
      newRecipients: [kms, fresh?.recipient],
    })
  })

  it('have every key of a service, where an escrow key is added beside one that is retired', async () => {
    // The key of a recording may be sealed to the second alone by now, and is to be sealed to both.
    const env = { ...KIND, ...keyOf(0, 'aws-kms', true), ...keyOf(1, 'vault-transit'), ...ESCROW }
    expect(await vaultsOf(env, '--identity', 'aws-kms')).toMatchObject({
      ...{ old: [kms.fingerprint, second.fingerprint], newRecipients: [second, fresh?.recipient] },
    })
  })

  it('are a service of another kind than the recorder seals to, by --to', async () => {
    const env = keyOf(0, 'aws-kms')
    expect(await vaultsOf(env, '--identity', keyFile, '--to', 'aws-kms', '--to', fresh?.recipient ?? '')).toMatchObject(
      {
        newRecipients: [kms, fresh?.recipient],
      },
    )
  })

  it.each([
    ['the same vault twice', { ...KIND, ...keyOf(0, 'aws-kms') }, ['--identity', 'aws-kms'], 'keys-same-vault'],
    ['a service without keys', {}, ['--identity', 'vault-transit', '--to', 'aws-kms'], 'keys-recipients'],
    ['a service without keys that is left', ESCROW, ['--identity', 'vault-transit'], 'vault-keys-unset'],
    ['no old vault', ESCROW, [], 'usage-no-identity'],
    ['no recipient', {}, ['--identity', 'aws-kms', '--to', 'kms'], 'vault-recipient-invalid'],
    [
      'a key to check with that is of neither',
      { ...ESCROW, ...keyOf(0, 'aws-kms') },
      ['--check-with', 'aws-kms'],
      'identity-wrong',
    ],
  ])('are refused: %s', async (_, env, argv, code) => {
    const args = code === 'identity-wrong' ? ['--identity', keyFile, ...argv] : argv
    await expect(vaultsOf(env, ...args)).rejects.toMatchObject({ code })
  })
})
