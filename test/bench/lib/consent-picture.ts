import type { Figures } from './consent-report.ts'

/** Draws the figures of `bench:consent` as an SVG of two panels. */

const WIDTH = 880
const HEIGHT = 330
const PANEL = { top: 50, bottom: 270, width: 340 } as const
const LEFT = 60
const LEGEND_STEP = 98
const RIGHT = 490
const COLOURS = { heardInFull: '#1b7f4b', heardInPart: '#e0a526', uncertain: '#7d8ca3', notFound: '#b3362b' } as const
const NAMES = {
  heardInFull: 'heard in full',
  heardInPart: 'in part',
  uncertain: 'uncertain',
  notFound: 'not found',
} as const
const FOUND = '#1f5fa8'

interface Point {
  readonly label: string
  readonly share: number
}

export function drawCurve(figures: Figures): string {
  const found = figures.bySnr.map(({ snrDb, found, trials }) => pointOf(snrDb, found, trials))
  const inFull = figures.bySnr.map(({ snrDb, wholeInFull, whole }) => pointOf(snrDb, wholeInFull, whole))
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<title>Announcements found: ${figures.found} of ${figures.positives}; false positives: ${figures.falsePositives} of ${figures.negatives}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, `Announcements found, by SNR in dB (${figures.positives} trials)`, 'font-weight="bold"'),
    ...axes(LEFT),
    ...line(found, FOUND, 'found'),
    ...line(inFull, COLOURS.heardInFull, 'whole ones: heard in full'),
    text(RIGHT, 24, 'Verdict, by the share of the prompt that was played', 'font-weight="bold"'),
    ...axes(RIGHT),
    ...bars(figures),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function pointOf(snrDb: number | undefined, count: number, all: number): Point {
  return { label: snrDb === undefined ? 'clean' : String(snrDb), share: all === 0 ? 0 : count / all }
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${words}</text>`
}

function heightOf(share: number): number {
  return PANEL.bottom - share * (PANEL.bottom - PANEL.top)
}

function axes(left: number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const y = heightOf(share)
    return [
      `<path d="M${left} ${y}h${PANEL.width}" stroke="#ddd"/>`,
      text(left - 8, y + 4, `${share * 100} %`, 'text-anchor="end"'),
    ]
  })
}

function line(points: readonly Point[], colour: string, name: string): string[] {
  const step = PANEL.width / points.length
  const places = points.map(({ share }, index): [number, number] => [LEFT + (index + 0.5) * step, heightOf(share)])
  const path = places.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('')
  const isUpper = colour === FOUND
  return [
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...places.map(([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.5" fill="${colour}"/>`),
    ...places.map(([x, y], index) =>
      text(
        x,
        y + (isUpper || (points[index]?.share ?? 0) < 0.1 ? -8 : 18),
        ((points[index]?.share ?? 0) * 100).toFixed(1),
        `text-anchor="middle" fill="${colour}" font-size="10"`,
      ),
    ),
    ...(isUpper
      ? places.map(([x], index) => text(x, PANEL.bottom + 18, points[index]?.label ?? '', 'text-anchor="middle"'))
      : []),
    `<rect x="${LEFT + (isUpper ? 0 : 90)}" y="${PANEL.bottom + 34}" width="12" height="12" fill="${colour}"/>`,
    text(LEFT + 18 + (isUpper ? 0 : 90), PANEL.bottom + 44, name),
  ]
}

function bars({ byShare }: Figures): string[] {
  const step = PANEL.width / byShare.length
  const kinds = Object.keys(COLOURS) as (keyof typeof COLOURS)[]
  const columns = byShare.flatMap(({ upTo, trials, verdicts }, index) => {
    const x = RIGHT + (index + 0.15) * step
    let below = 0
    const pieces = kinds.map((kind) => {
      const share = trials === 0 ? 0 : verdicts[kind] / trials
      const y = heightOf(below + share)
      const piece = `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(0.7 * step).toFixed(1)}" height="${(heightOf(below) - y).toFixed(1)}" fill="${COLOURS[kind]}"/>`
      below += share
      return piece
    })
    return [...pieces, text(x + 0.35 * step, PANEL.bottom + 18, labelOf(upTo), 'text-anchor="middle"')]
  })
  const legend = kinds.flatMap((kind, index) => [
    `<rect x="${RIGHT + index * LEGEND_STEP}" y="${PANEL.bottom + 34}" width="12" height="12" fill="${COLOURS[kind]}"/>`,
    text(RIGHT + 18 + index * LEGEND_STEP, PANEL.bottom + 44, NAMES[kind]),
  ])
  return [...columns, ...legend]
}

function labelOf(upTo: number): string {
  if (upTo === 1) return 'all of it'
  const percent = Math.round(upTo * 10) * 10
  return `${percent - 10}–${percent} %`
}
