/**
 * How well announcements are found in a recorded channel, and what it costs: prompts spoken by people (Debian's `asterisk-core-sounds`) and
 * by synthesisers, through eight codecs, with noise, loss, changes of level and speed, cut off, and with somebody talking at the same time;
 * against speech and prompts that are not the one; and against prompts of which one word is another.
 *
 * `npm run bench:consent`, or `npm run bench:consent -- --positives 600 --negatives 2000 --changed 452 --seed 1 --picture FILE.svg --json`.
 * Needs the network once, for packages of Debian. It measures, it judges nothing.
 */
import { writeFileSync } from 'node:fs'

import { ensureUnpackedSpeech } from '../../bin/lib/debian.mjs'
import { commandOptions } from '../support/command-options.ts'
import { mulberry32 } from '../support/random.ts'
import { gatherMaterial } from './lib/consent-material.ts'
import { costOf } from './lib/consent-cost.ts'
import { drawCurve } from './lib/consent-picture.ts'
import { reportOf } from './lib/consent-report.ts'
import { changedTrial, type Course, negativeTrial, positiveTrial, type Trial } from './lib/consent-trials.ts'
import { type Heard, listen } from './lib/consent-listening.ts'
import { openTelephoneChains } from './lib/telephone-chains.ts'

const values = commandOptions('bench:consent', {
  positives: { type: 'string', default: '600' },
  negatives: { type: 'string', default: '2000' },
  changed: { type: 'string', default: '452' },
  seed: { type: 'string', default: '1' },
  picture: { type: 'string' },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
})

await ensureUnpackedSpeech()
const seed = Number(values.seed)
const random = mulberry32(seed)
const { chains, close } = openTelephoneChains()
const material = await gatherMaterial(random)
type Maker = (course: Course, index: number) => Trial
/** Each group has random numbers of its own, so that none changes with the size of another. */
const heardOf = async (count: string, make: Maker, group: number): Promise<Heard[]> => {
  const random = mulberry32(1_000 * seed + group)
  const course = { material, random, chains: chains.length }
  const indexes = Array.from({ length: Number(count) }, (_, index) => index)
  return await listen(indexes, (index) => make(course, index), { chains, random, pairs: material.pairs })
}
const heard = [
  ...(await heardOf(values.positives, positiveTrial, 1)),
  ...(await heardOf(values.negatives, negativeTrial, 2)),
  ...(await heardOf(values.changed, changedTrial, 3)),
]
close()

const report = reportOf(
  heard,
  chains.map(({ name }) => name),
)
const cost = costOf(material)
if (values.verbose) for (const line of report.wrong) console.error(line)
if (values.json) console.log(JSON.stringify({ seed, ...report.figures, cost }))
else {
  console.log(
    `seed ${values.seed}; ${material.announcements.length} announcements, ${material.speech.length} stretches of speech\n`,
  )
  for (const line of [...report.lines, ...cost.lines]) console.log(line)
}
if (values.picture !== undefined) writeFileSync(values.picture, drawCurve(report.figures))
