/**
 * `VERIFY.md`: how to check a bundle without our software. The blocks marked `sh` are run as they stand by a test, one after the
 * other in one shell, in the unzipped folder, with `SIGNER` set, and `VAULT` for a bundle that is not opened.
 */
export function instructions(options: { readonly recordingId: string; readonly opened: boolean }): string {
  return [INTRODUCTION(options.recordingId), SIGNATURE, HASHES, ORDER, options.opened ? OPENED : SEALED, NOTES].join(
    '\n',
  )
}

const INTRODUCTION = (recordingId: string): string => `# How to verify recording ${recordingId}

You need \`unzip\`, \`openssl\` (3.0 or newer), \`jq\` (1.6 or newer), \`age\` to open what is sealed, and what every Unix has (\`cut\`, \`tr\`, \`sort\`,
\`find\`, \`cmp\`, \`sha256sum\`). You need nothing of the software that recorded. Unzip the bundle into an empty folder, go there, and say where the
public key of the recorder's signer is. **Take it from whoever runs the recorder**, not from the folder \`signers\`: a forger would have put a key there too.

    unzip recording.zip -d recording && cd recording
    SIGNER=/path/to/signer.pub.pem    # the public key that you trust
    VAULT=/path/to/vault.agekey       # only to listen to a sealed recording

Every command must end without an error; that is the whole verdict. Or let \`earwitness verify recording.zip --key signer.pub.pem\` do all of it, and more.
`

const SIGNATURE = `## 1. The signature

\`objects/manifest.jws\` is a JWS (RFC 7515, EdDSA): three texts in Base64url with dots between. The first two, with their dot, are what is signed. Any JOSE
library checks it too: compact serialization, algorithm EdDSA, the key as JWK is in \`signers\`.

\`\`\`sh
set -eu
umask 077
work=$(mktemp -d)
decode() { text=$(tr '_-' '/+'); while [ $(( \${#text} % 4 )) -ne 0 ]; do text="$text="; done; printf '%s' "$text" | openssl base64 -d -A; }
cut -d. -f1,2 objects/manifest.jws | tr -d '\\n' > "$work/signed"
cut -d. -f3 objects/manifest.jws | tr -d '\\n' | decode > "$work/signature"
openssl pkeyutl -verify -rawin -pubin -inkey "$SIGNER" -in "$work/signed" -sigfile "$work/signature"
cut -d. -f1 objects/manifest.jws | decode | jq -e '.alg == "EdDSA" and .typ == "earwitness-manifest+jws"'
cut -d. -f2 objects/manifest.jws | decode > "$work/manifest.json"
jq '{recordingId, startedAt, endedAt, state, endCause, incidents}' "$work/manifest.json"
jq -e --slurpfile list bundle.json '.recordingId == $list[0].recordingId' "$work/manifest.json"
\`\`\`
`

const HASHES = `## 2. The pieces

The manifest names every object with its SHA-256. All of them must be there, unchanged, and no other.

\`\`\`sh
jq -r '([.wrappedKey] + .chunks + (.kept // []) + (.dtmf // []) + [.peaks // empty] + [.index // empty])[] | "\\(.sha256)  objects/\\(.name)"' "$work/manifest.json" > "$work/sums"
jq -r '.snapshots[] | "\\(.sealedSha256)  objects/\\(.name)"' "$work/manifest.json" >> "$work/sums"
sha256sum --check --quiet "$work/sums"
{ cut -c67- "$work/sums"; echo objects/manifest.jws; } | LC_ALL=C sort > "$work/named"
find objects -type f | LC_ALL=C sort | cmp - "$work/named"
\`\`\`
`

const ORDER = `## 3. Order and time

The chunks follow on each other without a hole, and the running hash links each to all before it.

\`\`\`sh
jq -e '.chunks as $c | ([0] + [$c[].toSample]) as $ends
  | all(range($c | length); . as $i | $c[$i].chunkSeq == $i and $c[$i].fromSample == $ends[$i]) and $ends[-1] == .durationSamples' "$work/manifest.json"
previous=$(printf '%064d' 0)
jq -r '.chunks[] | "\\(.sha256) \\(.runningHash)"' "$work/manifest.json" > "$work/chain"
while read -r sum running; do
  previous=$(printf 'earwitness-chunk-chain/1\\n%s\\n%s\\n' "$previous" "$sum" | openssl dgst -sha256 -r | cut -d' ' -f1)
  test "$previous" = "$running"
done < "$work/chain"
\`\`\`
`

/** Opens every chunk with `$work/recording.agekey`. */
const OPEN_CHUNKS = `jq -r '.chunks[].name' "$work/manifest.json" > "$work/names"
while read -r name; do age -d -i "$work/recording.agekey" "objects/$name"; done < "$work/names" > "$work/recording.ogg"`

const OPEN_SNAPSHOTS = `jq -r '.snapshots[] | "\\(.sha256) \\(.name)"' "$work/manifest.json" > "$work/snapshots"
while read -r sum name; do
  age -d -i "$work/recording.agekey" "objects/$name" > "$work/snapshot"
  echo "$sum  $work/snapshot" | sha256sum --check --quiet
done < "$work/snapshots"`

const SEALED = `## 4. Listening

With the private key of the vault you open the key of this recording, with that the chunks; together they are one Ogg Opus file, which \`ffplay\`, VLC and others
play. The metadata names the participants.

\`\`\`sh
age -d -i "$VAULT" objects/key.age > "$work/recording.agekey"
${OPEN_CHUNKS}
${OPEN_SNAPSHOTS}
echo "$work/recording.ogg"
\`\`\`
`

const OPENED = `## 4. Listening

\`opened/recording.ogg\` is the audio, which \`ffplay\`, VLC and others play; the metadata beside it names the participants. The key of this recording is beside
them, so that you can open the sealed pieces yourself and compare: only these are what the manifest vouches for.

\`\`\`sh
cp opened/recording.agekey "$work/recording.agekey"
test "$(age-keygen -y "$work/recording.agekey")" = "$(jq -r .recipient "$work/manifest.json")"
${OPEN_CHUNKS}
if [ -s "$work/names" ]; then cmp "$work/recording.ogg" opened/recording.ogg; fi
${OPEN_SNAPSHOTS}
echo "$work/recording.ogg"
\`\`\`
`

const NOTES = `## What else is in the bundle

\`report.html\` tells in plain words what the recording is and what was found when the bundle was made. \`bundle.json\` lists all members with their SHA-256:
it tells what was damaged since, but it is not signed, and nor is the report. Delete \`$work\` when you are done: what was opened is in it.
`
