import { resolve } from 'node:path'
import { includesParty } from '../consent/own-parties.ts'
import type { ConsentConfig, SourceConsentConfig } from './config.ts'
import type { RawConfig } from './schema.ts'
import { parseDuration } from './values.ts'

type RawConsent = RawConfig['consent']
export type RawSourceConsent = RawConfig['sources'][number]['consent']

/** Values of a source, each with that of `consent` in its place where the source says nothing. */
export interface EffectiveConsent extends Omit<RawConsent, 'packs' | 'keys'> {
  readonly keys: RawConsent['keys']
}

const orThat = <Word extends string>(own: Word | 'inherit', common: Word): Word => (own === 'inherit' ? common : own)

/** What holds for a source. */
export function effectiveConsent(common: RawConsent, own: RawSourceConsent): EffectiveConsent {
  return {
    ...common,
    require: orThat(own.require, common.require),
    deadline: own.deadline ?? common.deadline,
    onMissing: orThat(own.onMissing, common.onMissing),
    onRefused: orThat(own.onRefused, common.onRefused),
    onWithdrawn: orThat(own.onWithdrawn, common.onWithdrawn),
    holdUntilConsent: own.holdUntilConsent === 'inherit' ? common.holdUntilConsent : own.holdUntilConsent === 'hold',
    mixedAnnouncement: orThat(own.mixedAnnouncement, common.mixedAnnouncement),
    jurisdiction: own.jurisdiction ?? common.jurisdiction,
    country: own.country ?? common.country,
    ownParties: own.ownParties.length > 0 ? own.ownParties : common.ownParties,
    ownPartiesAre: orThat(own.ownPartiesAre, common.ownPartiesAre),
  }
}

export function normaliseConsent(raw: RawConfig, cwd: string): ConsentConfig {
  const { packs, transcriber } = raw.consent
  const { command } = transcriber
  return {
    packs: packs === null ? undefined : resolve(cwd, packs),
    byDefault: normaliseEffective(raw.consent),
    transcriber: command.length === 0 ? undefined : { command, timeoutMs: milliseconds(transcriber.timeout) },
  }
}

export function normaliseSourceConsent(common: RawConsent, own: RawSourceConsent): SourceConsentConfig {
  return normaliseEffective(effectiveConsent(common, own))
}

function normaliseEffective(consent: EffectiveConsent): SourceConsentConfig {
  const { require, onMissing, onRefused, onWithdrawn, holdUntilConsent, mixedAnnouncement, apiAnswers } = consent
  const jurisdiction = consent.jurisdiction ?? undefined
  const { ownParties, ownPartiesAre } = consent
  return {
    policy: {
      require,
      deadlineMs: milliseconds(consent.deadline),
      onMissing,
      onRefused,
      onWithdrawn,
      holdUntilConsent,
      heardShareMin: consent.heardPercentMin / 100,
      mixedAnnouncement,
      apiAnswers,
    },
    jurisdiction,
    country: consent.country ?? undefined,
    own:
      ownParties.length === 0
        ? []
        : [{ includes: (aor) => includesParty(ownParties, aor), consent: ownPartiesAre, jurisdiction }],
    listening: listeningOf(consent),
  }
}

/** A source that asks for nothing, and has no keys, is not listened to. */
function listeningOf(consent: EffectiveConsent): SourceConsentConfig['listening'] {
  const keys = Object.fromEntries(Object.entries(consent.keys).filter(([, key]) => key !== null)) as Record<
    string,
    string
  >
  if (consent.require === 'none' && Object.keys(keys).length === 0) return undefined
  const { yes, no, command, listenFor } = consent.transcriber
  return {
    ...{ keys, answerWithinMs: milliseconds(consent.answerWithin), windowMs: milliseconds(consent.listenFor) },
    ...(command.length === 0 ? {} : { spoken: { words: { yes, no }, listenMs: milliseconds(listenFor) } }),
  }
}

// What does not parse has been reported, and `loadConfig` throws before anybody sees what stands here.
function milliseconds(text: string): number {
  const parsed = parseDuration(text)
  return parsed.ok ? parsed.value : 0
}
