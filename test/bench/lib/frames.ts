import { COMMIT_INTERVAL_US, HORIZON_US, UNBROKEN_HORIZON_US } from '../../../src/recorder/horizon.ts'
import { WAKE_INTERVAL_US } from '../../../src/recorder/recording-session.ts'

/** Committed so much sooner than it has to be, audio may wait so long for the next time, at a wake. */
const WAKES = Math.ceil((HORIZON_US - UNBROKEN_HORIZON_US + COMMIT_INTERVAL_US) / WAKE_INTERVAL_US)

/** Frames a second that go to the spool of a recording session whose media streams miss nothing. */
export const FRAMES_PER_SECOND = 1_000_000 / (WAKES * WAKE_INTERVAL_US)
