import { Type } from 'typebox'
import { duration, group, optionalText } from './schema-parts.ts'

const REQUIRE = ['none', 'notice', 'agreement', 'byRule'] as const
const ON_MISSING = ['flag', 'pause', 'discard', 'stop', 'notify'] as const
const ON_OBJECTION = ['stop', 'pause', 'shred', 'flag'] as const
const MIXED = ['ignored', 'heardByAll'] as const
const OWN = ['informed', 'agreed'] as const

const parties = (item: string, description: string) =>
  Type.Array(Type.String({ description: item, 'x-kind': 'partyPattern' }), {
    description,
    default: [],
    maxItems: 1000,
    'x-single': true,
  })

const spoken = (item: string, description: string, words: readonly string[]) =>
  Type.Array(Type.String({ description: item, minLength: 1, maxLength: 100 }), {
    description,
    default: [...words],
    minItems: 1,
    maxItems: 200,
    'x-single': true,
  })

const SPOKEN_YES = [
  'yes',
  'yeah',
  'yep',
  'i agree',
  'i do',
  'ja',
  'einverstanden',
  'oui',
  "d'accord",
  'sí',
  'si',
  'sim',
]
const SPOKEN_NO = ['no', 'nope', 'not', "don't", 'nein', 'nicht', 'non', 'pas', 'não', 'nee', 'niet', 'nej']

/** `consent`: what holds for every source that says nothing else. */
export const consent = group(
  'What the parties of a call must know or agree to, and what happens when they do not. Without any of it every recording is made as it comes, ' +
    'and its consent state is "unknown". Jurisdiction packs are no legal advice.',
  {
    require: Type.Enum([...REQUIRE], {
      description:
        'none: nothing is asked for. notice: all must have been told. agreement: all must have said yes. byRule: what the strictest rule says ' +
        'that the numbers of the parties and jurisdiction lead to (config/consent); a call of unknown parties is then under the strictest rule there is.',
      default: 'none',
    }),
    deadline: duration({
      description:
        'How long after the start of a recording, or after somebody joined, what is required may still come.',
      default: '20s',
      minimum: '1s',
      maximum: '10m',
    }),
    onMissing: Type.Enum([...ON_MISSING], {
      description:
        'When it has not come. While a recording is paused nothing is heard in it: consent can then come by the API alone (apiAnswers). flag: recording goes on, and its state is "missing". notify: likewise, and whoever watches /events is told. pause: nothing ' +
        'is recorded until it comes. discard: what was held is destroyed, and nothing is recorded until it comes. stop: the recording ends, and what was held is destroyed.',
      default: 'flag',
    }),
    onRefused: Type.Enum([...ON_OBJECTION], {
      description:
        'When a party says no. What was held is destroyed in any case. pause: nothing is recorded until that party says yes. flag: recording goes on, unless what was held is destroyed: then it is paused as well. shred: the recording ends and its key is destroyed, so that nobody can ever hear it.',
      default: 'stop',
    }),
    onWithdrawn: Type.Enum([...ON_OBJECTION], {
      description:
        'When consent is withdrawn in mid-call, by key, API or re-INVITE; the same choices. What was recorded with consent stays unless it is shred.',
      default: 'stop',
    }),
    holdUntilConsent: Type.Boolean({
      description:
        'Seal what is recorded before consent under a key of its own, which is destroyed when consent does not come, and kept when it does. Then nothing from before is lost that ' +
        'may be kept (some laws want the announcement itself recorded), and nobody can hear it before. Rules that want it "before recording" are met by this; without it they are ' +
        'taken as "at the start", and what was said until then stays in the recording.',
      default: false,
    }),
    heardPercentMin: Type.Integer({
      description:
        'How much of an announcement must have been found in the audio for it to count as notice. Below 100 the missing part may be the very words that matter.',
      default: 100,
      minimum: 60,
      maximum: 100,
    }),
    mixedAnnouncement: Type.Enum([...MIXED], {
      description:
        'An announcement in a stream that several parties share: nobody can say who of them sent it and who heard it. heardByAll: take it that all did.',
      default: 'ignored',
    }),
    apiAnswers: Type.Boolean({
      description:
        'A yes that is told by the HTTP API counts, for software of yours that asks the parties. Whoever reaches the API can then say that somebody agreed. A no, a withdrawal and a review count always.',
      default: false,
    }),
    jurisdiction: optionalText({
      description:
        'A jurisdiction of the packs (de, us-fl) whose rule holds for every call besides those of its numbers, and where your own people are.',
      'x-kind': 'jurisdiction',
    }),
    country: optionalText({
      description:
        'Country (DE) whose national numbers those without "+" are. null: such a number is unknown, and the strictest rule holds.',
      'x-kind': 'country',
    }),
    ownParties: parties(
      'An address; "*" once for any text, "?" for a character.',
      'Your own people, by their addresses: "1???", "+49301234*", "*@pbx.example.com". What ownPartiesAre says of them is your word, and the recording proves nothing of it.',
    ),
    ownPartiesAre: Type.Enum([...OWN], {
      description:
        'informed: they know, by contract or in writing, that they are recorded, and need not be told; they must still agree where agreement is required. agreed: they have agreed as well.',
      default: 'informed',
    }),
    keys: group(
      'Keys that answer within a recorded call. A key counts for the party whose stream it is in; sequences up to four, which may have another one at their end, and nowhere else.',
      {
        yes: optionalText({ description: 'The key that agrees to being recorded. null: none.', 'x-kind': 'keys' }),
        no: optionalText({ description: 'The key that refuses. null: none.', 'x-kind': 'keys' }),
        withdraw: optionalText({
          description: 'The key that withdraws consent, at any time in the call. null: none.',
          'x-kind': 'keys',
        }),
      },
    ),
    answerWithin: duration({
      description: 'How long after an announcement a key for yes or no still answers it.',
      default: '15s',
      minimum: '1s',
      maximum: '5m',
    }),
    listenFor: duration({
      description:
        'From the start of a recording, how long announcements are looked for in it. Longer costs processor time and helps those who join late.',
      default: '60s',
      minimum: '5s',
      maximum: '24h',
    }),
    transcriber: group(
      'A program of yours that makes words of what is said behind an announcement which asks for an answer (speech recognition). Without one a spoken answer is not known. ' +
        'A spoken no counts at once; a spoken yes only when a person has listened to it (earwitness consent review).',
      {
        command: Type.Array(
          Type.String({ description: 'The program, then its arguments.', minLength: 1, maxLength: 1000 }),
          {
            description:
              'It is run for each answer, with a WAV file (8 kHz, 16 bit, mono) on its standard input, and writes what was said, as text, to its standard output. It gets that audio in clear, ' +
              'also audio that is held until consent (incident transcribed); ' +
              'its environment is PATH, HOME, LANG, LC_ALL and TMPDIR. Empty: none.',
            default: [],
            maxItems: 64,
          },
        ),
        timeout: duration({
          description: 'It is killed after so long, and the recording says that an answer may be missing.',
          default: '10s',
          minimum: '1s',
          maximum: '1m',
        }),
        listenFor: duration({
          description: 'So long behind the end of the announcement an answer is listened to.',
          default: '6s',
          minimum: '1s',
          maximum: '15s',
        }),
        yes: spoken(
          'A yes: a word, or words behind each other.',
          'Words that agree, by which a spoken yes is known.',
          SPOKEN_YES,
        ),
        no: spoken(
          'A no: a word, or words behind each other.',
          'Words that refuse; any of them, among whatever else, is a no.',
          SPOKEN_NO,
        ),
      },
    ),
    packs: optionalText({
      description:
        'A folder of your own jurisdiction packs, in the form of config/consent. An entry of the same id replaces ours: the place for what your lawyer says.',
      'x-kind': 'path',
    }),
  },
)

/** `sources[].consent` */
export const sourceConsent = group('What of consent is different for this SRC.', {
  require: Type.Enum(['inherit', ...REQUIRE], {
    description: 'As consent.require. inherit: that one, here and below.',
    default: 'inherit',
  }),
  deadline: optionalText({
    description: 'As consent.deadline. null: that one.',
    'x-kind': 'duration',
    'x-minimum': '1s',
    'x-maximum': '10m',
  }),
  onMissing: Type.Enum(['inherit', ...ON_MISSING], {
    description: 'As consent.onMissing, for this SRC.',
    default: 'inherit',
  }),
  onRefused: Type.Enum(['inherit', ...ON_OBJECTION], {
    description: 'As consent.onRefused, for this SRC.',
    default: 'inherit',
  }),
  onWithdrawn: Type.Enum(['inherit', ...ON_OBJECTION], {
    description: 'As consent.onWithdrawn, for this SRC.',
    default: 'inherit',
  }),
  holdUntilConsent: Type.Enum(['inherit', 'hold', 'record'], {
    description: 'hold: as consent.holdUntilConsent: true. record: as false.',
    default: 'inherit',
  }),
  mixedAnnouncement: Type.Enum(['inherit', ...MIXED], {
    description: 'As consent.mixedAnnouncement, for this SRC.',
    default: 'inherit',
  }),
  jurisdiction: optionalText({ description: 'As consent.jurisdiction. null: that one.', 'x-kind': 'jurisdiction' }),
  country: optionalText({ description: 'As consent.country. null: that one.', 'x-kind': 'country' }),
  ownParties: parties('An address, as one of consent.ownParties.', 'As consent.ownParties. Empty: those.'),
  ownPartiesAre: Type.Enum(['inherit', ...OWN], {
    description: 'As consent.ownPartiesAre, for this SRC.',
    default: 'inherit',
  }),
})
