import type { FuzzTarget } from './target.ts'
import { rtp } from './targets/rtp.ts'
import { sdp } from './targets/sdp.ts'
import { sipMessage } from './targets/sip-message.ts'
import { siprec } from './targets/siprec.ts'
import { srtp } from './targets/srtp.ts'
import { transactions } from './targets/transactions.ts'

export const TARGETS: readonly FuzzTarget[] = [sipMessage, sdp, siprec, rtp, srtp, transactions]
