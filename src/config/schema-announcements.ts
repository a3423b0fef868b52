import { Type } from 'typebox'
import { duration, group, optionalText, port, text } from './schema-parts.ts'

const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#'] as const

const names = (
  item: string,
  description: string,
  choices: { readonly default: readonly string[]; readonly maxItems: number },
) =>
  Type.Array(Type.String({ description: item, pattern: '^[A-Za-z0-9+*#._-]{1,64}$' }), {
    description,
    default: [...choices.default],
    maxItems: choices.maxItems,
    'x-single': true,
  })

const rule = group('When these prompts are played to whoever asks for none. All that is given must fit.', {
  dialled: names('One beginning of the dialled number.', 'Beginnings of the dialled number, as the PBX writes it.', {
    default: [],
    maxItems: 256,
  }),
  caller: names("One beginning of the caller's number.", "Beginnings of the caller's number.", {
    default: [],
    maxItems: 256,
  }),
  jurisdiction: names(
    'One jurisdiction, as the request names it.',
    'Jurisdictions that the request names: "DE", or "US-FL"; "US" fits both.',
    {
      default: [],
      maxItems: 256,
    },
  ),
  prompts: names('Id of a prompt of this rule.', 'Prompts, one after the other. Empty: the usual ones.', {
    default: [],
    maxItems: 8,
  }),
  language: text({ description: 'BCP 47. Empty: the usual one.', default: '' }),
})

export const announcements = group(
  'Announcements that this recorder plays itself: a PBX sends the caller to sip:announce@… first, and the call goes on after it. Only configured sources may.',
  {
    enabled: Type.Boolean({
      description: 'Take calls to the announcer. Off, they are what every INVITE is that is no SIPREC: refused.',
      default: false,
    }),
    user: text({
      description: 'User part of the Request-URI that means the announcer.',
      default: 'announce',
      'x-kind': 'userName',
    }),
    mode: Type.Enum(['answer', 'early', 'refer'], {
      description:
        'What is done for a request that says neither mode= nor early=. answer: 200, prompt, BYE, and the PBX goes on. early: 183, prompt as early media, 302 to the target of the request. ' +
        'refer: 200, prompt, REFER to the target.',
      default: 'answer',
    }),
    folder: text({
      description: 'Folder of the prompts: index.yaml and WAV files, as in config/prompts.',
      default: 'config/prompts',
      'x-kind': 'path',
    }),
    prompts: names(
      'Id of a prompt that is played as a rule.',
      'What is played when neither the request nor a rule says otherwise, one after the other.',
      {
        default: ['recording-notice'],
        maxItems: 8,
      },
    ),
    language: text({
      description: 'BCP 47: the language of prompts where nothing else is said, and the one that is fallen back to.',
      default: 'en',
    }),
    rules: Type.Array(rule, {
      description: 'Other prompts by dialled number, caller or jurisdiction; the first rule that fits.',
      default: [],
      maxItems: 256,
    }),
    targets: Type.Array(
      text({ description: 'sip:USER@HOST or sip:USER@HOST:PORT; "*" in USER is any text.', 'x-kind': 'sipTarget' }),
      {
        description:
          'Where calls may go on in early and refer mode. What is not listed is refused: whoever could name any target could make calls at your cost. List hosts of your own.',
        default: [],
        maxItems: 256,
      },
    ),
    answer: group('The key that is pressed after a prompt that asks for one.', {
      yes: Type.Enum(DIGITS, { description: 'The key that agrees to the recording.', default: '1' }),
      no: Type.Enum(DIGITS, { description: 'The key that does not agree to it.', default: '2' }),
      window: duration({
        description:
          'How long after the end of the prompt it may come. A key pressed while the prompt still plays counts at its end.',
        default: '8s',
        minimum: '1s',
        maximum: '60s',
      }),
      onNo: Type.Enum(['continue', 'hangUp'], {
        description:
          'Whether the call goes on after a no. continue only where the recorder is sure to learn of it: see linkWindow.',
        default: 'hangUp',
      }),
      onNone: Type.Enum(['continue', 'hangUp'], {
        description: 'Likewise when no key was pressed, or none that means anything.',
        default: 'continue',
      }),
    }),
    rtpengine: group(
      'An rtpengine in the media path of calls, which plays a prompt to a party where the API asks for it (POST /api/v1/announcements).',
      {
        address: optionalText({
          description:
            'Where it listens for the ng protocol (its listen-ng), by UDP: 127.0.0.1:22222. null: there is none.',
          'x-kind': 'listen',
        }),
        folder: optionalText({
          description: 'Folder of the prompts as rtpengine sees it. null: the same as announcements.folder.',
          'x-kind': 'path',
        }),
      },
    ),
    linkWindow: duration({
      description:
        'How long after an announcement its recording may begin and still be tied to it, by Session-ID, Call-ID, UCID or token, within a tenant; ids of less than 16 characters, which may be counters, only from the same source. Longer helps where callers wait in a queue.',
      default: '10m',
      minimum: '10s',
      maximum: '24h',
    }),
    portMin: port({
      description:
        'First port for the audio of announcements, even; a pair for each. Outside of rtp.portMin to rtp.portMax.',
      default: 15_000,
    }),
    portMax: port({ description: 'Last port for the audio of announcements, odd.', default: 15_199 }),
    simultaneousMax: Type.Integer({
      description:
        'Announcements at once. Beyond, the PBX gets 503 with Retry-After; recording is never held up by them.',
      default: 50,
      minimum: 1,
      maximum: 1000,
    }),
    symmetricRtp: Type.Boolean({
      description:
        "Send to where the caller's own audio comes from rather than to where the SDP says, for PBXs behind NAT. Off, nobody can draw the audio elsewhere.",
      default: false,
    }),
  },
)
