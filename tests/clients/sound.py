"""What the tests of speech share: a text, the words of it that have to be heard again, models pulled, and samples as a WAV file."""

import io
import os
import subprocess
import wave

TEXT = "The boat was tied to the old wooden bridge. Nobody had seen the sailor since Monday."
WORDS = ("boat", "wooden", "bridge", "sailor", "monday")
RATE = 24_000


def pull(*models):
    """Has the server under test pull models; what is there already is not pulled again."""
    for model in models:
        subprocess.run([os.environ["PARASOL_BIN"], "pull", model], check=True)


def wav(pcm, rate=RATE):
    """Plain samples, 16 bits of one channel, as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return out.getvalue()
