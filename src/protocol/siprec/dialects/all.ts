import { AUDIOCODES } from './audiocodes.ts'
import { AVAYA } from './avaya.ts'
import { BROADWORKS } from './broadworks.ts'
import { CISCO_CUBE } from './cisco-cube.ts'
import { CISCO_PHONE } from './cisco-phone.ts'
import type { Dialect } from './dialect.ts'
import { GENERIC } from './generic.ts'
import { GOOGLE } from './google.ts'
import { JAMBONZ } from './jambonz.ts'
import { METASWITCH } from './metaswitch.ts'
import { NENA } from './nena.ts'
import { NETSAPIENS } from './netsapiens.ts'
import { OPENSIPS } from './opensips.ts'
import { ORACLE } from './oracle.ts'
import { PROCOMM } from './procomm.ts'
import { RIBBON } from './ribbon.ts'

/** Every dialect. Where two fit an INVITE equally well, the one that stands first is named. */
export const DIALECTS: readonly Dialect[] = [
  ORACLE,
  AUDIOCODES,
  CISCO_CUBE,
  CISCO_PHONE,
  AVAYA,
  RIBBON,
  METASWITCH,
  BROADWORKS,
  NETSAPIENS,
  OPENSIPS,
  JAMBONZ,
  GOOGLE,
  NENA,
  PROCOMM,
  GENERIC,
]
