import { expect, test } from 'vitest'

import { type Alignment, NOT_LOUD } from '../../../../src/consent/matcher/fine-alignment.ts'
import { BANDS, LEVELS_PER_DB } from '../../../../src/consent/matcher/fingerprinter.ts'
import { hearParts } from '../../../../src/consent/matcher/heard-parts.ts'
import { findPresent, type PresentParts } from '../../../../src/consent/matcher/present-parts.ts'
import { registerPrompt } from '../../../../src/consent/matcher/prompt.ts'
import { babbled } from '../../../support/babbled.ts'
import { mulberry32 } from '../../../support/random.ts'

const BITS = 16
/** Of 25 bands. */
const LOUD_BANDS = 10
const LEVEL_DB = -12
const registered = registerPrompt(babbled(1, 5), { promptId: 'notice', version: '1' })
if (!registered.ok) throw new Error(registered.reason)
const prompt = registered.value

interface Part {
  readonly hops: number
  /** Of wrong bits. */
  readonly rate: number
  /** Of loud bands that miss energy. */
  readonly missing: number
  /** Of the other ones: by how much they are above the level of the prompt. */
  readonly aboveDb?: number
}

function presentIn(...parts: readonly Part[]): PresentParts & { readonly byBits: number } {
  const random = mulberry32(5)
  const hops = parts.flatMap((part) => Array.from({ length: part.hops }, () => part))
  const bits = Uint8Array.from(hops, ({ rate }) => (rate < 0 ? 0 : BITS))
  const errors = Uint8Array.from(
    hops,
    ({ rate }) => Array.from({ length: BITS }, random).filter((value) => value < rate).length,
  )
  const rises = Int16Array.from(
    hops.flatMap(({ missing, aboveDb = 0 }) =>
      Array.from({ length: BANDS }, (_, band) => {
        if (band >= LOUD_BANDS) return NOT_LOUD
        return LEVELS_PER_DB * (LEVEL_DB + (random() < missing ? -10 : aboveDb))
      }),
    ),
  )
  const alignment: Alignment = { prompt, start: 0, speed: 1, bits, errors, rises }
  const heard = hearParts(alignment)
  return { ...findPresent(alignment, heard), byBits: heard.share }
}

const HEARD = { hops: 80, rate: 0.1, missing: 0.02 }

test('under words that turn its bits a prompt is there, where they only add energy', () => {
  const { share, heardShare } = presentIn(HEARD, { hops: 60, rate: 0.5, missing: 0.03, aboveDb: 3 })
  expect(share).toBe(1)
  expect(heardShare).toBeCloseTo(80 / 140, 1)
})

test('it is not there where its energy is missing, as under other words', () => {
  const { share, heardShare } = presentIn(HEARD, { hops: 60, rate: 0.5, missing: 0.4 })
  expect(share).toBeCloseTo(80 / 140, 1)
  expect(heardShare).toBeCloseTo(80 / 140, 1)
})

test('sound that is much louder than the prompt says nothing of it', () => {
  expect(presentIn(HEARD, { hops: 60, rate: 0.5, missing: 0, aboveDb: 12 }).share).toBeCloseTo(80 / 140, 1)
})

test('what was taken for heard by its bits was not there, if its energy is missing', () => {
  const noisy = { rate: 0.36, missing: 0.03 }
  const { share, heardShare, byBits } = presentIn({ hops: 80, ...noisy }, { hops: 60, ...noisy, missing: 0.4 })
  expect(byBits).toBe(1)
  expect(share).toBeCloseTo(80 / 140, 1)
  expect(heardShare).toBe(share)
})

test('pauses count for neither', () => {
  expect(presentIn(HEARD, { hops: 40, rate: -1, missing: 1 })).toMatchObject({ share: 1, heardShare: 1 })
})

test('nothing is there where nothing was heard', () => {
  expect(presentIn({ hops: 100, rate: 0.5, missing: 0 }).share).toBe(0)
})
