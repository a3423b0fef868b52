import type { Config, SourceConsentConfig } from '../config/config.ts'
import { PACK_NOTICE } from '../config/schema-consent-packs.ts'
import { readConsentPacks } from '../config/read-consent-packs.ts'
import { closest } from '../config/suggest.ts'
import { chooseRule, type ChosenRule, type RuleData } from '../consent/choose-rule.ts'
import { ExitCode } from '../errors.ts'
import { textOption, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { LATER_ACTIONS, runLater } from './consent/later.ts'
import { listHeld } from './consent/held.ts'
import { reportConsent } from './consent/report.ts'
import { DECISION_OPTIONS } from './custody/open-custody.ts'
import { terminalColumns, wrap, writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'consent',
  summary: 'says which rule on consent holds, what a recording proves, and adds to it',
  usage:
    'consent rule --from NUMBER --to NUMBER [options] | consent report ID [--html] [--key SIGNER.pub.pem]... | ' +
    'consent review ID --answer yes|no --reason TEXT | consent withdraw ID --reason TEXT | consent decide ID agreed|notified|missing --reason TEXT | consent held',
  description:
    'rule reads the jurisdiction packs and says what a recording of such a call needs: whose notice or agreement, by when, and by ' +
    'which law. A number that says nothing (withheld, an extension, a freephone number) counts as the strictest that it may be. ' +
    'report says what the signed events of a recording prove about consent, and how to check that; exit code 3 when the recording does not verify. ' +
    'review, withdraw and decide write down what a person has to say of a recording that is over, signed behind its events: that they listened to a spoken answer; that a party took its ' +
    'consent back; what all of it comes to. What is still held until consent is then handed over (agreed, notified), or destroyed. Run them on the machine of the recorder. Exit code 4: something could not be done. ' +
    'held lists the recordings of which audio is still held until consent on this machine: those under way, and those that a recorder left behind when it died. ' +
    'Not legal advice.',
  examples: [
    'consent rule --from +18135550100 --to +4930123456',
    'consent rule --from 1001 --to +12065550100 --jurisdiction us-ny',
    'consent rule --from "030 123456" --to +41446681800 --country DE --json',
    'consent review 01990000-0000-7000-8000-000000000000 --answer yes --reason "listened to both"',
    'consent decide 01990000-0000-7000-8000-000000000000 agreed --reason "both said yes"',
  ],
  positionals: { min: 1, max: 3 },
  options: {
    html: { type: 'boolean', description: 'of report: as a page' },
    ...DECISION_OPTIONS,
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a trusted signer (default: data/keys/signer.pub.pem)',
    },
    answer: { type: 'string', placeholder: 'yes|no', description: 'of review: what was heard' },
    party: {
      type: 'string',
      placeholder: 'ID',
      description: 'of review and withdraw: which participant, as the manifest names it',
    },
    yes: { type: 'boolean', description: 'do not ask before what is held is destroyed' },
    from: { type: 'string', placeholder: 'NUMBER', description: 'who calls: a number, or a SIP or tel address' },
    to: { type: 'string', placeholder: 'NUMBER', description: 'who is called' },
    source: {
      type: 'string',
      placeholder: 'NAME',
      description:
        'a source of the configuration, whose jurisdiction, country and own people count (default: consent.*)',
    },
    jurisdiction: {
      type: 'string',
      placeholder: 'ID',
      description: 'a rule that holds besides, as consent.jurisdiction of a source',
    },
    country: {
      type: 'string',
      placeholder: 'CC',
      description: 'whose national numbers those without "+" are, as consent.country of a source',
    },
  },
  run: runConsent,
}

async function runConsent(context: CommandContext): Promise<ExitCode> {
  const { args, stdout, json } = context
  const [action, id, ...rest] = args.positionals
  if (action === 'report' && id !== undefined && rest.length === 0) return reportConsent(context, id)
  const later = LATER_ACTIONS.find((each) => each === action)
  if (later !== undefined && id !== undefined && rest.length === (later === 'decide' ? 1 : 0)) {
    return runLater(context, later, id)
  }
  if (action === 'held' && id === undefined) return listHeld(context)
  if (action !== 'rule' || id !== undefined) {
    throw usageError(
      'consent-unknown',
      'There is no such part of this command.',
      'Write: earwitness consent rule --from NUMBER --to NUMBER, or consent held, or consent report, review, withdraw or decide with an id.',
    )
  }
  const [from, to] = [textOption(args, 'from'), textOption(args, 'to')]
  if (from === undefined && to === undefined) {
    throw usageError(
      'consent-no-party',
      'Neither --from nor --to is given.',
      'Give both; leave one out when it is withheld.',
    )
  }
  const config = context.config()
  const data = readConsentPacks({ ownFolder: config.consent.packs, cwd: context.cwd })
  const profile = profileOf(config, textOption(args, 'source'))
  const jurisdiction = checkedJurisdiction(textOption(args, 'jurisdiction'), data) ?? profile.jurisdiction
  const country = textOption(args, 'country') ?? profile.country
  const parties = [from, to].map((number) => {
    const own = number === undefined ? undefined : profile.own.find(({ includes }) => includes(number))
    return { number, jurisdiction: own === undefined ? undefined : jurisdiction }
  })
  const chosen = chooseRule({ parties, source: { jurisdiction, country } }, data)
  if (json) writeJson(stdout, { ...chosen, notice: PACK_NOTICE })
  else writeLines(stdout, describe(chosen, data, terminalColumns(stdout) ?? 100))
  return ExitCode.done
}

function profileOf(config: Config, name: string | undefined): SourceConsentConfig {
  if (name === undefined) return config.consent.byDefault
  const found = config.sources.find((source) => source.name === name)
  if (found !== undefined) return found.consent
  const names = config.sources.map((source) => source.name)
  const near = closest(name, names)
  const hint = near === undefined ? `There are ${names.join(', ') || 'none'}.` : `Did you mean ${near}?`
  throw usageError('consent-unknown-source', `The configuration has no source "${name}".`, hint)
}

function checkedJurisdiction(id: string | undefined, { packs }: RuleData): string | undefined {
  if (id === undefined || packs.has(id)) return id
  const near = closest(id, packs.keys())
  const hint = near === undefined ? `There are ${[...packs.keys()].toSorted().join(', ')}.` : `Did you mean ${near}?`
  throw usageError('consent-unknown-jurisdiction', `No pack has the jurisdiction "${id}".`, hint)
}

function describe(chosen: ChosenRule, { packs }: RuleData, columns: number): readonly string[] {
  const [rule = '', ...because] = chosen.explanationWithPrefixes
  const lines = [rule, ...because.flatMap((line) => indented(line, columns))]
  const doubts = chosen.jurisdictions.flatMap((id) => {
    const { name, uncertain } = packs.get(id) ?? {}
    return name === undefined || uncertain === undefined ? [] : [`${name}: ${uncertain}`]
  })
  // Of a freephone number every state speaks; that many doubts help nobody.
  if (doubts.length > 0 && chosen.jurisdictions.length <= DOUBTFUL_MAX) {
    lines.push('', 'Not settled:', ...doubts.flatMap((line) => indented(line, columns)))
  }
  return [...lines, '', PACK_NOTICE]
}

const DOUBTFUL_MAX = 8

const indented = (text: string, columns: number): readonly string[] =>
  wrap(text, Math.max(40, columns - 2)).map((line) => `  ${line}`)
