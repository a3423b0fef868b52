import { EarwitnessError } from '../../errors.ts'
import { DgramReceiver } from './dgram-receiver.ts'
import { loadNativeAddon, type AddonMissing } from './native-addon.ts'
import { NativeReceiver } from './native-receiver.ts'
import type { PacketReceiver, PacketReceiverName } from './packet-receiver.ts'

/** `media.receiver` of the configuration. */
export type ReceiverSetting = 'auto' | PacketReceiverName

/** Why the receiver in C cannot be used, as the second half of a sentence. */
export const ADDON_MISSING: Readonly<Record<AddonMissing, string>> = {
  absent: 'it has not been built on this machine',
  unloadable: 'it was built for another system, or its file is damaged',
  otherVersion: 'it was built from another version of its source',
}

/**
 * What receives RTP: with `auto` the receiver in C where it has been built, else Node's own sockets.
 *
 * @throws EarwitnessError `native-receiver-missing` when it is asked for by name and is not there
 */
export function chooseReceiver(setting: ReceiverSetting): PacketReceiverName {
  if (setting === 'dgram') return 'dgram'
  const addon = loadNativeAddon()
  if (addon.ok) return 'native'
  if (setting === 'auto') return 'dgram'
  throw new EarwitnessError(
    'native-receiver-missing',
    `media.receiver asks for the receiver in C, and ${ADDON_MISSING[addon.reason]}.`,
    'Install a C compiler (Debian: apt-get install gcc libc6-dev) and type: npm run native. Or set media.receiver to auto.',
  )
}

/** The receiver of this thread. Throws when `native` cannot be loaded, which {@link chooseReceiver} has made sure of. */
export function createReceiver(name: PacketReceiverName, nowUs: () => number): PacketReceiver {
  if (name === 'dgram') return new DgramReceiver(nowUs)
  const addon = loadNativeAddon()
  if (!addon.ok) throw new Error(`the receiver in C is ${addon.reason}`)
  return new NativeReceiver(addon.value)
}
