#!/bin/sh
# Half a second of a 440 Hz tone in every container and codec that is read: tests/fixtures/sound. Needs ffmpeg.
set -e
cd "$(dirname "$0")/../../tests/fixtures/sound"
make() {
    out=$1
    shift
    ffmpeg -hide_banner -loglevel error -y -f lavfi -i "sine=frequency=440:sample_rate=44100:duration=0.5" \
        -af "volume=4,aformat=channel_layouts=stereo" -fflags +bitexact -flags +bitexact -map_metadata -1 "$@" "$out"
}
make tone.wav -ar 8000 -c:a pcm_s16le
make tone-f32.wav -ar 8000 -ac 1 -c:a pcm_f32le
make tone.flac -ar 16000
make tone.mp3 -c:a libmp3lame -b:a 64k
make tone.ogg -c:a libvorbis
make tone.opus -ar 48000 -c:a libopus -b:a 48k
make tone.webm -ar 48000 -c:a libopus -b:a 48k
make tone.m4a -c:a aac -b:a 64k
make tone-alac.m4a -ar 16000 -c:a alac
make tone.aiff -ar 16000
