"""Voices that are added with the official libraries: `openai`'s custom voices and `elevenlabs`' instant voice cloning.
PARASOL_URL is the server's base address."""

import io
import math
import struct
import wave

import openai
import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError

from running_server import KEY, URL
from sound import pull


@pytest.fixture(scope="module")
def recording():
    """Three seconds that are loud enough; nobody listens to what is said in them here."""
    samples = (int(8_000 * math.sin(n / 10)) for n in range(3 * 16_000))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


@pytest.fixture(scope="module")
def openais():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def elevens():
    # Its list of voices begins with those of the default voice model.
    pull("hibari")
    return ElevenLabs(base_url=URL, api_key=KEY)


def test_a_recording_of_consent_is_kept_listed_renamed_and_removed(openais, recording):
    consents = openais.audio.voice_consents
    made = consents.create(name="Anna agrees", language="en-US", recording=("a.wav", recording, "audio/wav"))
    assert (made.object, made.language, made.name) == ("audio.voice_consent", "en-US", "Anna agrees")
    assert consents.retrieve(made.id) == made
    assert consents.update(made.id, name="yes").name == "yes"
    other = consents.create(name="Ben agrees", language="en-GB", recording=("b.wav", recording, "audio/wav"))
    # Page after page.
    assert {made.id, other.id} <= {consent.id for consent in consents.list(limit=1)}
    for one in (made, other):
        assert consents.delete(one.id).deleted
    with pytest.raises(openai.NotFoundError):
        consents.retrieve(made.id)


def test_a_custom_voice_needs_consent_and_a_model_that_imitates(openais, recording):
    pull("hibari")
    sample = ("a.wav", recording, "audio/wav")
    with pytest.raises(openai.NotFoundError):
        openais.audio.voices.create(name="openai-anna", consent="cons_0", audio_sample=sample)
    consent = openais.audio.voice_consents.create(name="Anna agrees", language="en", recording=sample)
    voice = openais.audio.voices.create(name="openai-anna", consent=consent.id, audio_sample=sample)
    assert (voice.object, voice.type, voice.name) == ("audio.voice", "audio_sample", "openai-anna")
    with pytest.raises(openai.BadRequestError, match="cannot imitate"):
        openais.audio.speech.create(model="hibari", input="Hello.", voice={"id": voice.id}, response_format="wav")
    gone = openais.audio.voices.delete(voice.id)
    assert (gone.id, gone.deleted) == (voice.id, True)
    openais.audio.voice_consents.delete(consent.id)


def test_an_instant_voice_needs_consent_and_is_found_and_removed(elevens, recording):
    with pytest.raises(ApiError) as refused:
        elevens.voices.ivc.create(name="eleven-anna", files=[recording])
    assert refused.value.status_code == 403
    made = elevens.voices.ivc.create(name="eleven-anna", files=[recording], labels={"consent": "true"})
    assert made.voice_id and made.requires_verification is False
    found = elevens.voices.get(made.voice_id)
    assert (found.name, found.category) == ("eleven-anna", "cloned")
    assert made.voice_id in [voice.voice_id for voice in elevens.voices.get_all().voices]
    assert elevens.voices.delete(made.voice_id).status == "ok"
    with pytest.raises(ApiError):
        elevens.voices.get(made.voice_id)
