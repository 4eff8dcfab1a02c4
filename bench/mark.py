"""What the mark of imitated voices survives, and where it is seen without being there.

    cargo build --release -p parasol-audio --example mark
    python bench/mark.py SOUNDS [--seconds 5] [--most 40] [--jobs 2]
    pip install pesq numpy; python bench/mark.py SOUNDS --pesq 16

SOUNDS is a folder of speech (WAV). Every file is first looked at as it is: none of them carries the mark, so each one that is
said to is a false alarm. Then at most --most of those that are long enough are marked at 24 kHz, cut to --seconds somewhere in the
middle, changed with ffmpeg in each of the usual ways, and looked at again. Only ffmpeg is needed beside Python. With --pesq nothing of this is
done: that many files of 6 s and more are marked, and their first 8 s compared with the plain sound as wide-band PESQ (P.862.2) hears them.
"""

import argparse
import concurrent.futures
import pathlib
import random
import subprocess
import tempfile
import wave

# What is done to the marked sound: the format that it passes through, with ffmpeg's arguments.
CHANGES = {
    "nothing but the cut": ("wav", []),
    "MP3 128 kbit/s": ("mp3", ["-c:a", "libmp3lame", "-b:a", "128k"]),
    "MP3 64 kbit/s": ("mp3", ["-c:a", "libmp3lame", "-b:a", "64k"]),
    "MP3 32 kbit/s": ("mp3", ["-c:a", "libmp3lame", "-b:a", "32k"]),
    "AAC 64 kbit/s": ("m4a", ["-c:a", "aac", "-b:a", "64k"]),
    "Opus 64 kbit/s": ("ogg", ["-c:a", "libopus", "-b:a", "64k"]),
    "Opus 32 kbit/s": ("ogg", ["-c:a", "libopus", "-b:a", "32k"]),
    "Opus 24 kbit/s": ("ogg", ["-c:a", "libopus", "-b:a", "24k"]),
    "Opus 16 kbit/s": ("ogg", ["-c:a", "libopus", "-b:a", "16k"]),
    "Opus 12 kbit/s": ("ogg", ["-c:a", "libopus", "-b:a", "12k"]),
    "Vorbis quality 2": ("ogg", ["-c:a", "libvorbis", "-q:a", "2"]),
    "16 kHz": ("wav", ["-ar", "16000"]),
    "8 kHz (telephone)": ("wav", ["-ar", "8000"]),
    "30 dB softer": ("wav", ["-af", "volume=-30dB"]),
    "clipped, 12 dB louder": ("wav", ["-af", "volume=12dB"]),
    "white noise 30 dB below": ("wav", ["-af", "NOISE"]),
    "compressor": ("wav", ["-af", "acompressor=threshold=0.05:ratio=6"]),
    "echo of 60 ms": ("wav", ["-af", "aecho=0.8:0.6:60:0.4"]),
    "1 % faster": ("wav", ["-af", "asetrate=24240,aresample=24000"]),
    "5 % faster": ("wav", ["-af", "asetrate=25200,aresample=24000"]),
    "tempo 5 % faster": ("wav", ["-af", "atempo=1.05"]),
}


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return done.stdout


def ffmpeg(*arguments):
    run("ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *arguments)


def length(path):
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def check(tool, paths):
    """(marked, logarithm of the chance) of each file."""
    found = []
    for at in range(0, len(paths), 200):
        for line in run(tool, "check", *paths[at : at + 200]).splitlines():
            marked, chance, *_ = line.split()
            found.append((marked == "true", float(chance)))
    return found


def noise(path):
    """A filter that adds white noise 30 dB below the sound, by its own loudness."""
    told = subprocess.run(
        ["ffmpeg", "-hide_banner", "-i", str(path), "-af", "volumedetect", "-f", "null", "-"], capture_output=True, text=True
    ).stderr
    mean = float(told.split("mean_volume:")[1].split("dB")[0])
    # Noise of amplitude 1 from anoisesrc has a mean power of 1/3.
    amplitude = min(1.0, 10 ** ((mean - 30) / 20) * 3**0.5)
    return f"anoisesrc=color=white:amplitude={amplitude:.6f}:sample_rate=24000[n];[0][n]amix=inputs=2:duration=first:normalize=0"


def changed(source, folder, name):
    """The file after a change."""
    ending, arguments = CHANGES[name]
    there = folder / f"{source.stem}-{list(CHANGES).index(name)}.{ending}"
    if "NOISE" in arguments:
        ffmpeg("-i", source, "-filter_complex", noise(source), there)
    else:
        ffmpeg("-i", source, *arguments, there)
    return there


def alike(tool, paths):
    """The wide-band PESQ of each file marked at 24 kHz against itself."""
    import numpy
    from pesq import pesq

    def samples(path, to):
        ffmpeg("-i", path, "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", to)
        with wave.open(str(to)) as file:
            return numpy.frombuffer(file.readframes(8 * 16000), "<i2")

    heard = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number, path in enumerate(paths):
            run(tool, path, folder / "marked.wav", 24000)
            plain, marked = samples(path, folder / f"{number}-plain.wav"), samples(folder / "marked.wav", folder / f"{number}.wav")
            least = min(len(plain), len(marked))
            heard.append(pesq(16000, plain[:least], marked[:least], "wb"))
    return heard


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pesq", type=int, metavar="FILES", help="only say how alike so many files sound with and without the mark")
    parser.add_argument("--tool", type=pathlib.Path, default=pathlib.Path("target/release/examples/mark"))
    asked = parser.parse_args()
    files = sorted(asked.sounds.rglob("*.wav"))
    if asked.pesq:
        long = [path for path in files if length(path) >= 6]
        heard = alike(asked.tool, random.Random(1).sample(long, min(asked.pesq, len(long))))
        print(f"PESQ of {len(heard)} files: {sum(heard) / len(heard):.2f} in the mean, {min(heard):.2f} at least")
        return
    plain = check(asked.tool, files)
    wrong = [path.name for path, (marked, _) in zip(files, plain) if marked]
    lowest = min((chance for _, chance in plain), default=0.0)
    total = sum(length(path) for path in files)
    print(f"unmarked: {len(wrong)} of {len(files)} files ({total / 60:.0f} min) called marked {wrong}; lowest chance 10^{lowest:.1f}", flush=True)
    pick = random.Random(1)
    long = [path for path in files if length(path) >= asked.seconds + 0.5]
    chosen = pick.sample(long, min(asked.most, len(long)))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        below, cuts = [], []
        for number, path in enumerate(chosen):
            whole, cut = folder / f"{number}-whole.wav", folder / f"{number}.wav"
            below.append(float(run(asked.tool, path, whole, 24000).split()[0]))
            begin = pick.uniform(0, length(whole) - asked.seconds)
            ffmpeg("-ss", begin, "-t", asked.seconds, "-i", whole, cut)
            cuts.append(cut)
        below.sort()
        print(f"the mark is {below[0]:.1f} to {below[-1]:.1f} dB below the speech, median {below[len(below) // 2]:.1f}", flush=True)
        print(f"{len(cuts)} cuts of {asked.seconds:g} s, found after:")
        with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
            for change in CHANGES:
                there = list(pool.map(lambda cut: changed(cut, folder, change), cuts))
                found = check(asked.tool, there)
                chances = sorted(chance for _, chance in found)
                hits = sum(marked for marked, _ in found)
                print(f"  {change:26} {hits:3} of {len(found)}   median chance 10^{chances[len(chances) // 2]:.0f}", flush=True)


if __name__ == "__main__":
    main()
