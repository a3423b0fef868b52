import { Type } from 'typebox'

import { duration, group, optionalText, text } from './schema-parts.ts'

const kmsKey = group('An RSA key of AWS KMS, of key spec RSA_3072 or RSA_4096 and key usage ENCRYPT_DECRYPT.', {
  key: text({
    description: 'ARN of the key, or its id or alias: who opens a recording names it so.',
    'x-kind': 'kmsKey',
  }),
  publicKeyFile: text({
    description:
      'Its public half, PEM, as "earwitness keys fetch" writes it. What is sealed is sealed to this, whatever the service says.',
    'x-kind': 'path',
  }),
  retired: Type.Boolean({
    description: 'true: nothing new is sealed to this key of AWS KMS; what was is still opened by it.',
    default: false,
  }),
})

const transitKey = group('A key of Vault Transit, of type rsa-3072 or rsa-4096.', {
  key: text({ description: 'Name of the key in Vault Transit.', 'x-kind': 'transitName' }),
  version: Type.Integer({
    description:
      'Version of the key to which the public half belongs; after "vault write -f transit/keys/NAME/rotate" add the new one.',
    default: 1,
    minimum: 1,
    maximum: 1_000_000,
  }),
  publicKeyFile: text({
    description: 'Public half of that version, PEM, as "earwitness keys fetch" writes it. Nothing else is sealed to.',
    'x-kind': 'path',
  }),
  retired: Type.Boolean({
    description: 'true: nothing new is sealed to this key of Vault Transit; what was is still opened by it.',
    default: false,
  }),
})

const awsKms = group(
  'For kind: aws-kms, and to open what was sealed to it before. A recorder needs the keys only; region and credentials are for who opens recordings, which needs kms:Decrypt ' +
    'and, to compare public keys, kms:GetPublicKey.',
  {
    keys: Type.Array(kmsKey, {
      description:
        'With kind: aws-kms each recording is sealed to all of them that are not retired, and opens with any one.',
      default: [],
      maxItems: 8,
    }),
    region: optionalText({
      description: 'AWS region of keys that are not given as ARNs. null: what the environment of AWS gives.',
      'x-kind': 'host',
    }),
    endpoint: optionalText({
      description:
        'URL of the service, for an endpoint in a VPC or a service that speaks the same protocol; https, or http to this machine. null: AWS.',
      'x-kind': 'httpUrl',
    }),
    accessKeyId: optionalText({
      description:
        'Access key of AWS KMS, with secretAccessKey. A secret: better "file:/path" or "env:NAME". null: what the environment of AWS gives. Recorders need none.',
      'x-secret': true,
    }),
    secretAccessKey: optionalText({ description: 'Secret half of the access key of AWS KMS.', 'x-secret': true }),
    sessionToken: optionalText({ description: 'For temporary credentials of AWS KMS. A secret.', 'x-secret': true }),
    caFile: optionalText({
      description: 'Certificates of the CA that signed the certificate of the endpoint, PEM. null: the public CAs.',
      'x-kind': 'path',
    }),
    requestTimeout: duration({
      description: 'After this a request to AWS KMS counts as failed; it is made three times at most.',
      default: '10s',
      minimum: '1s',
      maximum: '1m',
    }),
  },
)

const vaultTransit = group(
  'For kind: vault-transit, and to open what was sealed to it before. A recorder needs the keys only; address and token are for who opens recordings, whose policy needs ' +
    'update on MOUNT/decrypt/KEY and, to compare public keys, read on MOUNT/keys/KEY.',
  {
    keys: Type.Array(transitKey, {
      description:
        'With kind: vault-transit each recording is sealed to all versions here that are not retired, and opens with any one.',
      default: [],
      maxItems: 8,
    }),
    address: optionalText({
      description: 'https://HOST:PORT of the Vault server; http:// only on this machine itself.',
      'x-kind': 'httpUrl',
    }),
    mount: text({
      description: 'Path at which the Transit engine is mounted.',
      default: 'transit',
      'x-kind': 'transitMount',
    }),
    namespace: optionalText({ description: 'Namespace of Vault Enterprise. null: none.', 'x-kind': 'transitMount' }),
    token: optionalText({
      description: 'Token of who opens recordings. A secret: better "file:/path" or "env:NAME". Recorders need none.',
      'x-secret': true,
    }),
    caFile: optionalText({
      description: 'Certificates of the CA that signed that of the Vault server, PEM. null: the public CAs.',
      'x-kind': 'path',
    }),
    requestTimeout: duration({
      description: 'After this a request to Vault counts as failed; it is made three times at most.',
      default: '10s',
      minimum: '1s',
      maximum: '1m',
    }),
  },
)

export const vault = group('Who can open recordings.', {
  kind: Type.Enum(['age', 'aws-kms', 'vault-transit'], {
    description:
      'age: key pairs in files. aws-kms, vault-transit: RSA keys that never leave a key service, which logs each opening and can deny it. Sealing needs no network and no ' +
      'credentials whatever stands here: the recorder has public halves only. recipients beside them are sealed to as well, as for escrow.',
    default: 'age',
  }),
  recipients: Type.Array(text({ description: 'An age X25519 recipient: age1…', 'x-kind': 'recipient' }), {
    description:
      'Public keys to which every recording is sealed; any one of their private keys opens it, and without one ' +
      'nobody can, we included. Make a pair with "earwitness keygen" and keep the private half on another ' +
      'machine; two recipients in two safes guard against losing one. Empty, and kind is age: a pair is made under dataDir on ' +
      'first start, which is convenient and unsafe. A change holds for new recordings; "earwitness keys rotate" ' +
      'seals the keys of older ones anew.',
    default: [],

    maxItems: 16,
  }),
  awsKms,
  vaultTransit,
})
