/**
 * How well announcements are found in a recorded channel, and what it costs: prompts spoken by people (Debian's `asterisk-core-sounds`) and
 * by synthesisers, through eight codecs, with noise, loss, changes of level and speed, cut off, and with somebody talking at the same time;
 * against speech and prompts that are not the one; and against prompts of which one word is another.
 *
 * `npm run bench:consent`, or `npm run bench:consent -- --positives 600 --negatives 2000 --changed 456 --seed 1 --picture FILE.svg --json`.
 * Needs the network once, for packages of Debian. It measures, it judges nothing.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { ensureUnpackedSpeech } from '../../bin/lib/debian.mjs'
import { mulberry32 } from '../support/random.ts'
import { gatherMaterial } from './lib/consent-material.ts'
import { costOf } from './lib/consent-cost.ts'
import { drawCurve } from './lib/consent-picture.ts'
import { reportOf } from './lib/consent-report.ts'
import { changedTrial, negativeTrial, positiveTrial } from './lib/consent-trials.ts'
import { listen } from './lib/consent-listening.ts'
import { openTelephoneChains } from './lib/telephone-chains.ts'

const { values } = parseArgs({
  options: {
    positives: { type: 'string', default: '600' },
    negatives: { type: 'string', default: '2000' },
    changed: { type: 'string', default: '456' },
    seed: { type: 'string', default: '1' },
    picture: { type: 'string' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

await ensureUnpackedSpeech()
const random = mulberry32(Number(values.seed))
const { chains, close } = openTelephoneChains()
const material = await gatherMaterial(random)
const course = { material, random, chains: chains.length }
const range = (count: string): readonly number[] => Array.from({ length: Number(count) }, (_, index) => index)
const heard = [
  ...(await listen(range(values.positives), (index) => positiveTrial(course, index), { chains, random })),
  ...(await listen(range(values.negatives), (index) => negativeTrial(course, index), { chains, random })),
  ...(await listen(range(values.changed), (index) => changedTrial(course, index), {
    chains,
    random,
    pairs: material.pairs,
  })),
]
close()

const report = reportOf(
  heard,
  chains.map(({ name }) => name),
)
const cost = costOf(material)
if (values.verbose) for (const line of report.wrong) console.error(line)
if (values.json) console.log(JSON.stringify({ seed: Number(values.seed), ...report.figures, cost }))
else {
  console.log(
    `seed ${values.seed}; ${material.announcements.length} announcements, ${material.speech.length} stretches of speech\n`,
  )
  for (const line of [...report.lines, ...cost.lines]) console.log(line)
}
if (values.picture !== undefined) writeFileSync(values.picture, drawCurve(report.figures))
