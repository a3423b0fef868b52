import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Checks a request by AWS Signature Version 4, from what arrived; gives the name of AWS's error. */
export function signatureFault(
  request: IncomingMessage,
  body: Uint8Array,
  { accessKeyId, secretAccessKey }: AwsCredentials,
): string | undefined {
  const { authorization = '' } = request.headers
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/u.exec(
      authorization,
    )
  if (parts === null) return 'MissingAuthenticationTokenException'
  const [, keyId, day = '', region = '', signed = '', signature] = parts
  if (keyId !== accessKeyId) return 'UnrecognizedClientException'
  const names = signed.split(';')
  if (!['host', 'x-amz-date', 'x-amz-target'].every((name) => names.includes(name))) return 'IncompleteSignature'
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`).join('')
  const canonical = [request.method, request.url, '', headers, signed, sha256(body)].join('\n')
  const at = String(request.headers['x-amz-date'])
  if (!at.startsWith(day)) return 'InvalidSignatureException'
  const scope = `${day}/${region}/kms/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', at, scope, sha256(canonical)].join('\n')
  let key: Uint8Array = Buffer.from(`AWS4${secretAccessKey}`)
  for (const part of [day, region, 'kms', 'aws4_request']) key = createHmac('sha256', key).update(part).digest()
  return createHmac('sha256', key).update(toSign).digest('hex') === signature ? undefined : 'InvalidSignatureException'
}

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex')
}
