import { readConsentPacks } from '../../../src/config/read-consent-packs.ts'

/** The packs that come with the program, read once. */
export const RULE_DATA = readConsentPacks()
