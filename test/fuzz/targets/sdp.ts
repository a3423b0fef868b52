import { buildAnswer, isHeld, selectPayloadTypes } from '../../../src/protocol/sdp/answer.ts'
import {
  formatCryptoAttribute,
  MASTER_KEYS_MAX,
  masterKeyBytes,
  parseCryptoAttribute,
  type CryptoAttribute,
} from '../../../src/protocol/sdp/crypto-attribute.ts'
import { CRYPTO_LINES_MAX, FORMATS_MAX } from '../../../src/protocol/sdp/parse-media.ts'
import { parseSdp, SDP_MEDIA_MAX } from '../../../src/protocol/sdp/parse.ts'
import type { OfferedCrypto, SessionDescription } from '../../../src/protocol/sdp/session-description.ts'
import { readSipVectors } from '../../vectors/sip/read-vectors.ts'
import type { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'

const WORDS = [
  'v=0\r\n',
  'o=- 1 1 IN IP4 192.0.2.1\r\n',
  's=-\r\n',
  't=0 0\r\n',
  'c=IN IP4 192.0.2.1\r\n',
  'c=IN IP6 2001:db8::1\r\n',
  'c=IN IP4 0.0.0.0\r\n',
  'c=IN IP4 233.252.0.1/127/3\r\n',
  'm=audio 49170 RTP/AVP 0 8 101\r\n',
  'm=audio 0 RTP/AVP 0\r\n',
  'm=audio 49170/2 RTP/SAVP 0\r\n',
  'm=video 49174 RTP/AVP 96\r\n',
  'm=message 9 TCP/MSRP *\r\n',
  'm=image 49180 udptl t38\r\n',
  'm=\r\n',
  'a=rtpmap:0 PCMU/8000\r\n',
  'a=rtpmap:8 PCMA/8000/1\r\n',
  'a=rtpmap:101 telephone-event/8000\r\n',
  'a=rtpmap:0 PCMA/8000\r\n',
  'a=rtpmap:96\r\n',
  'a=fmtp:101 0-15\r\n',
  'a=label:1\r\n',
  'a=label:\r\n',
  'a=media_label:caller\r\n',
  'a=sendonly\r\n',
  'a=inactive\r\n',
  'a=recvonly\r\n',
  'a=rtcp-mux\r\n',
  'a=rtcp:49171 IN IP4 192.0.2.1\r\n',
  'a=ptime:20\r\n',
  'a=maxptime:150.5\r\n',
  'a=record:on\r\n',
  'a=record:paused\r\n',
  'a=recordpref:pause\r\n',
  'm=audio 49172 RTP/SAVP 0\r\n',
  'm=audio 49172 RTP/SAVPF 97 98\r\n',
  'm=audio 49172 UDP/TLS/RTP/SAVPF 0\r\n',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9|2^31|1:4\r\n',
  'a=crypto:2 AEAD_AES_256_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9RdWlkIHBybyBxdW8= WSH=64\r\n',
  'a=crypto:3 AES_256_CM_HMAC_SHA1_32 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh/w8fLz9PX29/j5+vv8/Q|7:2\r\n',
  ';inline:AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9|2:4',
  ' UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP KDR=3 FEC_ORDER=SRTP_FEC -X',
  ' FEC_KEY=inline:AAECAwQFBgcICQoLDA0OD/Dx8vP09fb3+Pn6+/z9|2^20',
  'b=AS:64\r\n',
]

export const sdp: FuzzTarget = {
  name: 'sdp',
  corpus: readSipVectors().flatMap(({ bytes }) => {
    const start = Buffer.from(bytes).indexOf('\r\n\r\nv=0')
    return start === -1 ? [] : [bytes.subarray(start + 4)]
  }),
  dictionary: WORDS,
  generate(random: Random) {
    let text = WORDS.slice(0, 5).join('')
    for (let lines = 1 + random.size(200); lines > 0; lines--) text += random.pick(WORDS)
    return Buffer.from(text)
  },
  run(input) {
    const parsed = parseSdp(input)
    if (!parsed.ok) return
    const offer = parsed.value
    invariant(offer.media.length <= SDP_MEDIA_MAX, 'no more lines than allowed')
    for (const media of offer.media) {
      invariant(media.formats.length <= FORMATS_MAX && media.codecs.length <= media.formats.length, 'no more formats')
      invariant(Number.isInteger(media.port) && media.port >= 0 && media.port <= 65_535, 'a port is a port')
      invariant(
        media.codecs.every(({ payloadType }) => payloadType >= 0 && payloadType <= 127),
        'payload types',
      )
      checkCrypto(media.crypto)
    }
    checkAnswer(offer)
  },
}

const OWN_OCTET = 0xa5
const ownKey = ({ suite }: CryptoAttribute): Uint8Array => new Uint8Array(masterKeyBytes(suite)).fill(OWN_OCTET)

/** RFC 4568: bounded, one line for each tag, keys as long as the suite asks; what is written reads back the same. */
function checkCrypto({ usable, rejected }: OfferedCrypto): void {
  invariant(usable.length + rejected.length <= CRYPTO_LINES_MAX, 'no more crypto lines than are read')
  invariant(new Set(usable.map(({ tag }) => tag)).size === usable.length, 'a tag stands for one line')
  for (const crypto of usable) {
    const { keyParameters, suite } = crypto
    invariant(keyParameters.length >= 1 && keyParameters.length <= MASTER_KEYS_MAX, 'one key or several')
    const isLong = keyParameters.every(({ key, salt }) => key.length + salt.length === masterKeyBytes(suite))
    invariant(isLong, 'keys are as long as the suite asks')
    const text = formatCryptoAttribute(crypto)
    const again = parseCryptoAttribute(text)
    invariant(again.ok && formatCryptoAttribute(again.value) === text, 'what is written reads back the same')
  }
}

/** RFC 3264 6: as many lines as the offer, the labels of the offer, nothing that was not offered. */
function checkAnswer(offer: SessionDescription): void {
  const lines = offer.media.map((media, index) => ({
    port: isHeld(media) || media.type !== 'audio' ? 0 : 20_000 + 2 * index,
    payloadTypes: selectPayloadTypes(media),
    direction: 'recvonly' as const,
    ...(media.crypto.usable[0] && { masterKey: ownKey(media.crypto.usable[0]) }),
  }))
  const bytes = buildAnswer({ offer, lines, address: '192.0.2.9', sessionId: '1', sessionVersion: 1 })
  const read = parseSdp(bytes)
  if (!read.ok)
    return invariant(
      read.reason === 'tooLarge' || read.reason === 'tooManyLines',
      `our answer is refused: ${read.reason}`,
    )
  invariant(read.value.media.length === offer.media.length, 'the answer has the lines of the offer')
  for (const [index, media] of read.value.media.entries()) {
    const offered = new Set(offer.media[index]?.codecs.map(({ payloadType }) => payloadType))
    const isSubset = media.codecs.every(({ payloadType }) => offered.has(payloadType))
    const [accepted] = media.crypto.usable
    const isOwn = accepted?.keyParameters.every(({ key }) => key.every((octet) => octet === OWN_OCTET)) ?? true
    invariant(media.crypto.usable.length <= 1 && media.crypto.rejected.length === 0, 'one line of keys is answered')
    invariant(isOwn, 'no key of the offer is answered')
    invariant(
      (accepted === undefined) === (media.port === 0 || offer.media[index]?.crypto.usable[0] === undefined),
      'keys',
    )
    invariant(media.port === 0 || isSubset, 'nothing is answered that was not offered')
    invariant(media.label === offer.media[index]?.label, 'labels are echoed')
  }
}
