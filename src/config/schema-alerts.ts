import { Type } from 'typebox'
import { duration, group } from './schema-parts.ts'

const threshold = (options: { readonly description: string; readonly default: string }) =>
  duration({ ...options, minimum: '0s', maximum: '1h' })

export const alerts = group(
  'When a media stream is flagged while it is recorded: in events, metrics, and as an incident of the recording. 0s: never.',
  {
    zeroPackets: threshold({
      description:
        'Not one packet came of a stream that is awaited. An SRC that opens recordings while it still rings is better given longer.',
      default: '4s',
    }),
    oneWay: threshold({
      description:
        'No packet came of a stream that is awaited, and another stream of the same recording session has been sending for so long.',
      default: '3s',
    }),
    stopped: threshold({
      description:
        'The packets of a stream stopped without a hold. Give longer where phones send nothing while nobody speaks.',
      default: '5s',
    }),
    silent: threshold({
      description:
        'Packets come, and hold nothing louder than silentLevel: a dead microphone, or just somebody on mute.',
      default: '30s',
    }),
    silentLevel: Type.Integer({
      description:
        'What counts as silence, in dBov (0 is full scale, RFC 6464). -70 takes the idle values of G.711 for silence and the noise of a quiet room not.',
      default: -70,
      minimum: -127,
      maximum: -20,
    }),
  },
)
