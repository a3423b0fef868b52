/**
 * `VERIFY.md`: how to check a bundle without our software. The blocks marked `sh` are run as they stand by a test, one after the
 * other in one shell, in the unzipped folder, with `SIGNER` set, and `VAULT`, or `DECRYPT`, for a bundle that is not opened.
 */
export function instructions(options: {
  readonly recordingId: string
  readonly opened: boolean
  /** The list is signed. */
  readonly signed: boolean
  /** There are proofs from a ledger. */
  readonly proved: boolean
}): string {
  const { recordingId, opened, signed, proved } = options
  return [
    INTRODUCTION(recordingId),
    SIGNATURE,
    HASHES,
    ORDER,
    signed ? LIST : UNSIGNED_LIST,
    proved ? LEDGER : NO_LEDGER,
    KEY,
    opened ? OPENED : SEALED,
    NOTES,
  ].join('\n')
}

const INTRODUCTION = (recordingId: string): string => `# How to verify recording ${recordingId}

You need \`unzip\`, \`openssl\` (3.0 or newer), \`jq\` (1.6 or newer), \`age\` to open what is sealed, and what every Unix has (\`cut\`, \`tr\`, \`sort\`,
\`find\`, \`cmp\`, \`awk\`, \`sha256sum\`). You need nothing of the software that recorded. Unzip the bundle into an empty folder, go there, and say where the
public key of the recorder's signer is. **Take it from whoever runs the recorder**, not from the folder \`signers\`: a forger would have put a key there too.

    unzip recording.zip -d recording && cd recording
    SIGNER=/path/to/signer.pub.pem    # the public key that you trust
    VAULT=/path/to/vault.agekey       # only to listen to a sealed recording; where a key service has the key, see section 7
    TSA=/path/to/authority.pem        # only where time stamps are to be checked
    OTHER_SIGNERS="a.pub.pem b.pub.pem"   # only where another recorder's ledger is in it

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

The manifest names every object with its SHA-256. All of them must be there, unchanged, and no other. (The sealed key has a section of its own, 6.)

\`\`\`sh
jq -r '(.chunks + (.kept // []) + (.dtmf // []) + [.peaks // empty] + [.index // empty])[] | "\\(.sha256)  objects/\\(.name)"' "$work/manifest.json" > "$work/sums"
jq -r '.snapshots[] | "\\(.sealedSha256)  objects/\\(.name)"' "$work/manifest.json" >> "$work/sums"
sha256sum --check --quiet "$work/sums"
{ cut -c67- "$work/sums"; echo objects/manifest.jws; } | LC_ALL=C sort > "$work/named"
find objects -type f ! -name 'key*.age' | LC_ALL=C sort | cmp - "$work/named"
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

const SEALED = `## 7. Listening

With the private key of the vault you open the key of this recording, with that the chunks; together they are one Ogg Opus file, which \`ffplay\`, VLC and others
play. The metadata names the participants.

Where the vault is an RSA key of a key service (\`grep -a '^-> earwitness-rsa' objects/key*.age\` names the service and the fingerprint of the key: the SHA-256 of its public half), the key
of this recording is opened by a one-time age key, which the service decrypts. Say how in \`DECRYPT\`, instead of \`VAULT\`: a command that decrypts \`$work/wrapped\`. One of these:

    DECRYPT='aws kms decrypt --key-id ARN --encryption-algorithm RSAES_OAEP_SHA_256 --ciphertext-blob "fileb://$work/wrapped" --query Plaintext --output text | openssl base64 -d -A'
    DECRYPT='vault write -field=plaintext transit/decrypt/NAME "ciphertext=vault:vVERSION:$(openssl base64 -A -in "$work/wrapped")" | openssl base64 -d -A'
    DECRYPT='openssl pkeyutl -decrypt -inkey private.pem -in "$work/wrapped" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256'
    # VERSION is that of the key whose fingerprint it is: 1 unless it was rotated.
    FINGERPRINT=…     # only where there are several such keys: the one to use

\`\`\`sh
if [ -n "\${DECRYPT:-}" ]; then
  LC_ALL=C awk -v key="\${FINGERPRINT:-}" '/^--- / { exit }
    /^-> / { on = !found && $2 == "earwitness-rsa-oaep-sha256" && (key == "" || $4 == key); if (on) found = 1; next }
    on { printf "%s", $0 }' "$key" | decode > "$work/wrapped"
  test -s "$work/wrapped"
  eval "$DECRYPT" > "$work/onetime.agekey"
  VAULT=$work/onetime.agekey
fi
age -d -i "$VAULT" "$key" > "$work/recording.agekey"
${OPEN_CHUNKS}
${OPEN_SNAPSHOTS}
echo "$work/recording.ogg"
\`\`\`
`

const OPENED = `## 7. Listening

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

const LEDGER = `## 5. The ledger

The recorder says of every recording, while it is made, in an append-only log of signed statements: opened, paused, heard, closed. A checkpoint is the root of a Merkle tree
(RFC 9162) over all statements so far, signed. Each statement of this recording is here with the hashes that lead from it to that root: so it stood in the log
when the checkpoint was signed. A checkpoint may bear a time stamp of somebody else (RFC 3161): with \`TSA=/path/to/ca.pem\`, the certificates of that authority which you
trust, \`openssl ts\` checks it. Compare the checkpoint with one that you, or somebody else, kept.

\`\`\`sh
hash() { openssl dgst -sha256 -binary; }
for proof in ledger/*.json; do
  jq -j '.checkpoints[-1].note' "$proof" > "$work/note"
  origin=$(sed -n 1p "$work/note"); size=$(sed -n 2p "$work/note"); root=$(sed -n 3p "$work/note")
  sed '/^$/,$d' "$work/note" > "$work/signed"
  sed -n "s|^— $origin ||p" "$work/note" | openssl base64 -d -A | tail -c 64 > "$work/signature"
  signer=$SIGNER
  for other in \${OTHER_SIGNERS:-}; do
    if openssl pkeyutl -verify -rawin -pubin -inkey "$other" -in "$work/signed" -sigfile "$work/signature" > "$work/ok"; then signer=$other; fi
  done
  openssl pkeyutl -verify -rawin -pubin -inkey "$signer" -in "$work/signed" -sigfile "$work/signature"
  test "$origin" = "earwitness/$(jq -r .logId "$proof")"
  if [ -n "\${TSA:-}" ]; then
    jq -r '.checkpoints[-1].timestamp // ""' "$proof" | openssl base64 -d -A > "$work/reply.tsr"
    if [ -s "$work/reply.tsr" ]; then openssl ts -verify -in "$work/reply.tsr" -data "$work/note" -CAfile "$TSA"; fi
  fi
  jq -r '.statements[] | "\\(.seq) \\(.jws) \\(.inclusion | join(","))"' "$proof" > "$work/statements"
  while read -r seq jws path; do
    printf '%s' "\${jws%.*}" > "$work/signed"
    printf '%s' "\${jws##*.}" | decode > "$work/signature"
    openssl pkeyutl -verify -rawin -pubin -inkey "$signer" -in "$work/signed" -sigfile "$work/signature" > "$work/ok"
    { printf '\\000'; printf '%s' "$jws"; } | hash > "$work/node"
    node=$seq; last=$((size - 1))
    for sibling in $(printf '%s' "$path" | tr , ' '); do
      printf '%s' "$sibling" | openssl base64 -d -A > "$work/sibling"
      if [ $((node % 2)) -eq 1 ] || [ "$node" -eq "$last" ]; then
        { printf '\\001'; cat "$work/sibling" "$work/node"; } | hash > "$work/next"
        while [ $((node % 2)) -eq 0 ] && [ "$node" -ne 0 ]; do node=$((node / 2)); last=$((last / 2)); done
      else
        { printf '\\001'; cat "$work/node" "$work/sibling"; } | hash > "$work/next"
      fi
      mv "$work/next" "$work/node"; node=$((node / 2)); last=$((last / 2))
    done
    test "$last" -eq 0
    test "$(openssl base64 -A -in "$work/node")" = "$root"
    printf '%s' "$jws" | cut -d. -f2 | decode > "$work/statement"
    jq -e --argjson seq "$seq" --arg log "\${origin#*/}" '.seq == $seq and .logId == $log' "$work/statement" > "$work/ok"
    jq -r '[.at, .kind, .action // ""] | join(" ")' "$work/statement"
    cat "$work/statement" >> "$work/said"; echo >> "$work/said"
  done < "$work/statements"
done
manifest=$(openssl dgst -sha256 -r objects/manifest.jws | cut -d' ' -f1)
jq -s -e --arg manifest "$manifest" --arg key "$(jq -r .wrappedKey.sha256 "$work/manifest.json")" \\
  '(map(select(.kind == "recordingOpened"))[0].wrappedKeySha256) == $key
   and all(map(select(.kind == "recordingClosed"))[]; .manifestSha256 == $manifest)' "$work/said"
\`\`\`
`

const KEY = `## 6. The sealed key

The key of this recording is sealed to the vault. The first one is \`objects/key.age\`, which the manifest names. Where the key was sealed anew, to another vault, the ledger says
which object replaces which: the chain begins at the first one, and its end must be here. Those before may be gone.

\`\`\`sh
first=$(jq -r .wrappedKey.sha256 "$work/manifest.json")
: >> "$work/said"
jq -r 'select(.kind == "keyRotated") | "\\(.replacesSha256) \\(.sha256) objects/\\(.name)"' "$work/said" > "$work/rotated"
awk -v first="$first" '{ from[NR] = $1; to[NR] = $2; name[NR] = $3 }
  END { known[first] = 1; do { more = 0; for (i = 1; i <= NR; i++) if (known[from[i]] && !known[to[i]]) { known[to[i]] = 1; print to[i] "  " name[i]; more = 1 } } while (more) }' \\
  "$work/rotated" | LC_ALL=C sort -k2 > "$work/keys"
key=$(tail -n 1 "$work/keys" | cut -c67-)
key=\${key:-objects/key.age}
echo "$first  objects/key.age" >> "$work/keys"
test -f "$key"
find objects -name 'key*.age' > "$work/stored"
while read -r name; do grep "  $name\\$" "$work/keys" > "$work/ok"; done < "$work/stored"
sha256sum --check --quiet --ignore-missing "$work/keys"
\`\`\`
`

const NO_LEDGER = `## 5. The ledger

There is no proof from a ledger in this bundle: either none was at hand when it was made, or no checkpoint covered the recording yet.
`

const LIST = `## 4. Everything else

\`bundle.json\` lists all members with their SHA-256, \`report.html\` and this text among them. \`bundle.jws\` is its signature: a JWS whose content is detached (RFC 7515 appendix F).

\`\`\`sh
{ cut -d. -f1 bundle.jws | tr -d '\\n'; printf .; openssl base64 -A -in bundle.json | tr '+/' '-_' | tr -d '='; } > "$work/signed"
cut -d. -f3 bundle.jws | tr -d '\\n' | decode > "$work/signature"
openssl pkeyutl -verify -rawin -pubin -inkey "$SIGNER" -in "$work/signed" -sigfile "$work/signature"
jq -r '.members[] | "\\(.sha256)  \\(.name)"' bundle.json > "$work/sums"
sha256sum --check --quiet "$work/sums"
{ cut -c67- "$work/sums"; echo bundle.json; echo bundle.jws; } | LC_ALL=C sort > "$work/named"
find . -type f | cut -c3- | LC_ALL=C sort | cmp - "$work/named"
\`\`\`
`

const UNSIGNED_LIST = `## 4. Everything else

\`bundle.json\` lists all members with their SHA-256: it tells what was damaged since. Whoever exported had no key of the recorder, so nobody vouches for that list, for
\`report.html\` and for this text.
`

const NOTES = `## What else is in the bundle

\`report.html\` tells in plain words what the recording is and what was found when the bundle was made. Delete \`$work\` when you are done: what was opened is in it.
`
