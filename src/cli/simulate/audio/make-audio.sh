#!/bin/sh
# Makes the two synthetic speech files that `earwitness simulate` plays: 8 kHz, mono, PCM16.
# Needs espeak-ng and ffmpeg (Debian packages of the same names). Run it in this folder.
set -eu
speak() { # file, voice, words per minute, pitch, text
  espeak-ng -v "$2" -s "$3" -p "$4" --stdout "$5" |
    ffmpeg -nostdin -loglevel error -y -i - -ar 8000 -ac 1 -af "volume=0.8,apad=pad_dur=0.4" -c:a pcm_s16le \
      -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$1"
}
speak caller.wav en-us 158 38 \
  "Good morning. I am ringing about the order of the ninth of May. Two parcels came, the third one did not. \
Could you please look where it is, and tell me when I may expect it?"
speak callee.wav en-gb+f3 165 62 \
  "Hello, and thank you for waiting. Let me see. The third parcel left our warehouse yesterday evening. \
It will be with you by Thursday noon. Is there anything else that I can do for you today?"
