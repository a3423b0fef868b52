import type { Complaint } from './check-value.ts'

/** ARN, id or alias; 2048 characters is what the API of AWS takes. */
const KMS_KEY = /^[A-Za-z0-9:/_+=,.@-]{1,2048}$/u
const TRANSIT_NAME = /^[A-Za-z0-9_.-]{1,128}$/u
const TRANSIT_MOUNT = /^[A-Za-z0-9_.-]{1,128}(?:\/[A-Za-z0-9_.-]{1,128}){0,7}$/u

export function checkKmsKey(value: string): Complaint | undefined {
  if (KMS_KEY.test(value)) return undefined
  return {
    sentence: 'is not the name of a key of AWS KMS',
    hint: 'Write its ARN (arn:aws:kms:REGION:ACCOUNT:key/ID), its id, or alias/NAME.',
  }
}

export function checkTransitName(value: string): Complaint | undefined {
  if (TRANSIT_NAME.test(value) && !/^\.+$/u.test(value)) return undefined
  return { sentence: 'is not the name of a key', hint: 'Write the NAME of transit/keys/NAME, without slashes.' }
}

export function checkTransitMount(value: string): Complaint | undefined {
  if (TRANSIT_MOUNT.test(value) && !value.split('/').some((part) => /^\.+$/u.test(part))) return undefined
  return {
    sentence: 'is not a path of Vault',
    hint: 'Write names with slashes between them, as in transit or teams/voice.',
  }
}
