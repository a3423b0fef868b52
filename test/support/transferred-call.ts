import type { RawSrc, SentRequest } from './raw-src.ts'

/** A transfer as NetSapiens does it: BYE, then another dialog with the same group and the same stream ids. */
export const TRANSFER_GROUP = '20261123120000012345-abcdef'
/** For bodies that are metadata alone. */
export const METADATA_TYPE = { contentType: 'application/rs-metadata+xml' }

const OFFER = [
  ...['v=0', 'o=- 5 5 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
  ...['m=audio 40000 RTP/AVP 0', 'a=sendonly', 'a=label:1', 'm=audio 40002 RTP/AVP 0', 'a=sendonly', 'a=label:2', ''],
].join('\r\n')

export function transferMetadata(sequence: number, callee: string, number: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<group group_id="${TRANSFER_GROUP}"><sequence>${sequence}</sequence></group>
<session session_id="ns-session-${sequence}"><group-ref>${TRANSFER_GROUP}</group-ref></session>
<participant participant_id="caller"><nameID aor="sip:user1@pbx.example.com"><name>Ada</name></nameID></participant>
<participant participant_id="${callee}"><nameID aor="sip:${callee}@pbx.example.com"/></participant>
<stream stream_id="1"><label>1</label></stream><stream stream_id="2"><label>2</label></stream>
<participantstreamassoc participant_id="caller"><send>1</send></participantstreamassoc>
<participantstreamassoc participant_id="${callee}"><send>2</send></participantstreamassoc>
<n:numbers xmlns:n="http://example.com/netsapiens"><n:term>${number}</n:term></n:numbers></recording>`
}

/** That a participant has gone. */
export function leaves(id: string): string {
  return (
    `<recording><datamode>partial</datamode><participantsessionassoc participant_id="${id}" session_id="x">` +
    `<disassociate-time>2026-11-23T12:00:00Z</disassociate-time></participantsessionassoc></recording>`
  )
}

/** Sends the INVITE of such a dialog; gives what further requests in it need. */
export async function placeTransferred(
  src: RawSrc,
  xml: string,
  headers: SentRequest['headers'] = [],
): Promise<Required<Pick<SentRequest, 'sipCallId' | 'toTag'>>> {
  const body = `--b\r\nContent-Type: application/sdp\r\n\r\n${OFFER}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n${xml}\r\n--b--\r\n`
  const sent = await src.send('INVITE', { contentType: 'multipart/mixed;boundary=b', body, headers })
  const answer = await src.answerTo(sent)
  if (answer.status !== 200) throw new Error(`the recorder answered ${answer.status}`)
  return { sipCallId: sent.sipCallId, toTag: answer.headers.first('To')?.split(';tag=')[1] ?? '' }
}
