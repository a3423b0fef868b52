import type { RuleData } from '../consent/choose-rule.ts'
import { type Checking, report } from './checking.ts'
import { effectiveConsent, type EffectiveConsent } from './normalise-consent.ts'
import { readConsentPacks } from './read-consent-packs.ts'
import { closest } from './suggest.ts'

interface Place {
  /** `consent` or `sources[0].consent` */
  readonly path: string
  readonly consent: EffectiveConsent
}

/** Rules for `consent` and `sources[].consent`: what could never be fulfilled, and jurisdictions that no pack has. */
export function checkConsent(checking: Checking): void {
  const { raw, problems } = checking
  const own = raw.sources.map((source, index) => ({
    path: `sources[${index}].consent`,
    consent: effectiveConsent(raw.consent, source.consent),
  }))
  const places: readonly Place[] = [{ path: 'consent', consent: raw.consent }, ...own]
  const sound = places.filter(({ path }) => !problems.concerns(path) && !problems.concerns('consent'))
  checkKeys(checking)
  for (const place of sound) {
    checkWays(checking, place)
    checkPauses(checking, place)
    checkMoment(checking, place)
    checkHolding(checking, place)
  }
  checkJurisdictions(checking, sound)
}

/** Paths at which something about `key` may have been set, the nearest first. */
const pathsOf = ({ path }: Place, ...keys: readonly string[]): readonly string[] =>
  keys.flatMap((key) => [`${path}.${key}`, `consent.${key}`])

function isOwn(checking: Checking, place: Place, ...keys: readonly string[]): boolean {
  if (place.path === 'consent') return true
  return keys.some((key) => (checking.origins.get(`${place.path}.${key}`) ?? 'default') !== 'default')
}

function checkKeys(checking: Checking): void {
  const { yes, no, withdraw } = checking.raw.consent.keys
  const given = Object.entries({ yes, no, withdraw }).flatMap(([name, keys]) => (keys === null ? [] : { name, keys }))
  if (checking.problems.concerns('consent.keys')) return
  if (new Set(given.map(({ keys }) => keys)).size < given.length) {
    report(
      checking,
      'config-conflict',
      ['consent.keys', 'consent.keys.yes', 'consent.keys.no', 'consent.keys.withdraw'],
      {
        sentence: 'consent.keys gives two meanings to the same key.',
        hint: 'Take another key for one of them.',
      },
    )
  }
  for (const { name, keys } of given) {
    // Who presses it has given the shorter answer before the end of it, and nothing is left for its own. At its end the longer one counts.
    const first = given.find((other) => keys.slice(0, -1).includes(other.keys))
    if (first === undefined) continue
    report(checking, 'config-conflict', [`consent.keys.${name}`, `consent.keys.${first.name}`], {
      sentence: `consent.keys.${name} would never be heard: pressing it gives the answer of consent.keys.${first.name} first.`,
      hint: `Take keys that have those of consent.keys.${first.name} at their end or not at all.`,
    })
  }
}

/** Where that which decides has been set; undefined: nowhere, it is the default. */
const whereOf = (checking: Checking, paths: readonly string[]): string | undefined =>
  paths.map((path) => checking.origins.get(path)).find((origin) => origin !== undefined && origin !== 'default')

/**
 * An announcer asks who calls it, and nobody else: all others must be the operator's own, and have agreed by his word.
 * Only sources with an entry may use it.
 */
function isAskedByAnnouncer({ raw }: Checking, { consent }: Place): boolean {
  const onlyCallerIsAsked = consent.ownParties.length > 0 && consent.ownPartiesAre === 'agreed'
  return raw.announcements.enabled && raw.sources.length > 0 && onlyCallerIsAsked
}

function checkWays(checking: Checking, place: Place): void {
  const { require, keys, apiAnswers } = place.consent
  const isAsked = isAskedByAnnouncer(checking, place)
  if (keys.yes !== null || apiAnswers || isAsked || !isOwn(checking, place, 'require')) return
  const hint =
    'Give consent.keys.yes, or set consent.apiAnswers: true if software of yours asks. An announcement before the call (announcements.enabled, of a source that is listed) asks the caller alone: list your own people in ownParties, with ownPartiesAre: agreed.'
  if (require === 'agreement') {
    report(checking, 'config-conflict', pathsOf(place, 'require'), {
      sentence: `${place.path}.require is agreement, and there is no way in which anybody could say yes.`,
      hint,
    })
  } else if (require === 'byRule') {
    const where = whereOf(checking, pathsOf(place, 'require'))
    const sentence = `${place.path}.require is byRule, some rules want agreement, and there is no way in which anybody could say yes.`
    checking.problems.warn({ code: 'config-conflict', where, sentence, hint })
  }
}

/** In a recording that is paused neither announcements nor keys are heard. */
function checkPauses(checking: Checking, place: Place): void {
  const { require, apiAnswers, onMissing, onRefused, onWithdrawn } = place.consent
  if (require === 'none' || apiAnswers) return
  for (const [key, action] of Object.entries({ onMissing, onRefused, onWithdrawn })) {
    if ((action !== 'pause' && action !== 'discard') || !isOwn(checking, place, key)) continue
    checking.problems.warn({
      code: 'consent-cannot-come',
      where: whereOf(checking, pathsOf(place, key)),
      sentence: `${place.path}.${key} is ${action}, and nothing is heard in a recording that is paused: without apiAnswers nobody can agree any more, and it stays paused to its end.`,
      hint: 'Set consent.apiAnswers: true if software of yours asks the parties, or take stop.',
    })
  }
}

function checkMoment(checking: Checking, place: Place): void {
  const { require, holdUntilConsent } = place.consent
  if (require !== 'byRule' || holdUntilConsent || !isOwn(checking, place, 'require', 'holdUntilConsent')) return
  checking.problems.warn({
    code: 'consent-before-not-held',
    where: whereOf(checking, pathsOf(place, 'holdUntilConsent', 'require')),
    sentence: `${place.path}.require is byRule, most rules want notice or agreement before recording, and what is recorded before it comes is not held.`,
    hint: 'Set holdUntilConsent: true. Without it such a rule is taken as one that wants it at the start, within the deadline.',
  })
}

function checkHolding(checking: Checking, place: Place): void {
  const { require, onMissing, holdUntilConsent } = place.consent
  if (!isOwn(checking, place, 'require', 'onMissing', 'holdUntilConsent')) return
  if (holdUntilConsent && require === 'none') {
    report(checking, 'config-conflict', pathsOf(place, 'holdUntilConsent'), {
      sentence: `${place.path} holds recordings until there is consent, and requires none.`,
      hint: 'Set require to notice, agreement or byRule, or take holdUntilConsent out.',
    })
  }
  if (holdUntilConsent || onMissing !== 'discard') return
  report(checking, 'config-conflict', pathsOf(place, 'onMissing'), {
    sentence: `${place.path}.onMissing is discard, and nothing is held that could be discarded.`,
    hint: 'Set holdUntilConsent: true, or take pause or stop.',
  })
}

function checkJurisdictions(checking: Checking, places: readonly Place[]): void {
  const { problems, raw, config } = checking
  const isAsked = places.some(({ consent }) => consent.require === 'byRule' || consent.jurisdiction !== null)
  if (raw.consent.packs === null && !isAsked) return
  const data: RuleData = readConsentPacks({ ownFolder: config.consent.packs, problems })
  for (const place of places) {
    const id = place.consent.jurisdiction
    if (id === null || data.packs.has(id) || !isOwn(checking, place, 'jurisdiction')) continue
    const near = closest(id, data.packs.keys())
    report(checking, 'config-invalid-value', pathsOf(place, 'jurisdiction'), {
      sentence: `${place.path}.jurisdiction: no pack has "${id}".`,
      hint:
        near === undefined
          ? 'The ids stand in config/consent; they are lower case, as de and us-fl.'
          : `Did you mean ${near}?`,
    })
  }
}
