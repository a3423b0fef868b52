import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import type { VaultService } from '../../../../src/evidence/vault-open.ts'
import { sealToVault } from '../../../../src/evidence/vault-seal.ts'
import { heldKeysLeft } from '../../../../src/server/vault/held-keys-left.ts'
import { rsaVault, vectorRandom } from '../../../vectors/evidence/sample-recording.ts'
import { NEW, OLD, opens, outcomes, PREFIX, rotationRig, vaults } from './rotation-rig.ts'

describe('a key that a key service refuses', () => {
  const kms = rsaVault['aws-kms']
  const refusing = (code: string): VaultService => ({
    ...{ provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]) },
    open: () => Promise.reject(new EarwitnessError(code, 'refused', 'hint')),
  })

  it('does not keep another from being rotated, but where the service is away', async () => {
    const rig = await rotationRig()
    for (const store of rig.stores) {
      const planted = sealToVault(Buffer.from('x'), [kms], vectorRandom('planted'))
      await store.put(`${PREFIX}/key-001.age`, planted)
    }
    const by = (code: string) => ({ vaults: vaults({ oldIdentities: [OLD.identity, refusing(code)] }) })
    expect(await outcomes(rig, by('vault-service-away'))).toEqual(['failed', 'vault-service-away'])
    expect(await outcomes(rig, by('vault-key-missing'))).toEqual(['rotated'])
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
    const onlyService = { vaults: vaults({ oldIdentities: [refusing('vault-key-missing')] }) }
    expect(await outcomes(rig, onlyService)).toEqual(['failed', 'vault-key-missing'])
  })

  it('is seen to be of the service where it is held, without asking', async () => {
    const rig = await rotationRig()
    const held = sealToVault(Buffer.from('x'), [kms], vectorRandom('held'))
    const left = (identity: VaultService | string) =>
      heldKeysLeft(rig.stores, { undecided: () => Promise.resolve([]), read: () => Promise.resolve(undefined) }, [
        identity,
      ])
    const isIn = async (identity: VaultService | string): Promise<boolean> =>
      (await left(identity)).isIn({ objectPrefix: PREFIX })
    expect(await isIn(refusing('asked'))).toBe(false)
    await rig.stores[1]?.put(`${PREFIX}/held-key-000.age`, held)
    expect(await isIn(refusing('asked'))).toBe(true)
    expect(await isIn(OLD.identity)).toBe(false)
    expect(await isIn({ ...refusing('asked'), fingerprints: new Set() })).toBe(false)
  })
})
