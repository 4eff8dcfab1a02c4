"""The official `openai` library asks for speech, and hears it back: PARASOL_URL is the server's base address."""

import base64
import io
import json
import wave

import httpx
import openai
import pytest

from running_server import KEY, URL
from sound import TEXT, WORDS, pull

VOICE, EARS = "hibari", "whisper-tiny"


@pytest.fixture(scope="module")
def client():
    pull(VOICE, EARS)
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def say(client, text=TEXT, **fields):
    return client.audio.speech.create(model=VOICE, voice="heart", input=text, **fields).content


def frames(sound):
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        return file.readframes(10**9)


def test_what_is_said_is_heard(client):
    sound = say(client, response_format="wav")
    heard = client.audio.transcriptions.create(model=EARS, file=("a.wav", sound)).text.lower()
    for word in WORDS:
        assert word in heard, heard


def test_formats(client):
    for form, begins in [("wav", b"RIFF"), ("flac", b"fLaC"), ("opus", b"OggS")]:
        sound = say(client, response_format=form)
        assert sound.startswith(begins)
        heard = client.audio.transcriptions.create(model=EARS, file=(f"a.{form}", sound)).text.lower()
        assert "bridge" in heard, (form, heard)
    assert len(say(client, response_format="pcm")) % 2 == 0
    # The names of OpenAI's voices and models mean the default voice; its default format is not written, so WAV comes.
    sound = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello.").content
    assert sound.startswith(b"RIFF")


def test_streamed_while_it_is_made(client):
    fields = dict(model=VOICE, voice="alloy", input=TEXT, response_format="pcm", extra_body={"seed": 3})
    with client.audio.speech.with_streaming_response.create(**fields) as answer:
        pieces = list(answer.iter_bytes())
    assert len(pieces) > 1
    whole = client.audio.speech.create(**fields).content
    assert b"".join(pieces) == whole and len(whole) > 24_000
    with client.audio.speech.with_streaming_response.create(**fields, stream_format="sse") as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    assert [e["type"] for e in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == whole
    assert events[-1]["usage"]["input_tokens"] == len(TEXT)


def test_pace(client):
    slow, fast = (len(frames(say(client, response_format="wav", speed=speed))) for speed in (0.8, 1.6))
    assert 1.7 < slow / fast < 2.3


def test_what_is_wrong_is_a_400_that_names_it(client):
    for text, fields, says in [
        ("😀🎉", {}, "spoken"),
        ("", {}, "no text"),
        ("שלום", {}, "en-US"),
        ("Hi", {"response_format": "mp3"}, "mp3"),
        ("Hi", {"speed": 9}, "speed"),
        ("<speak><audio src='x'/></speak>", {}, "audio"),
    ]:
        with pytest.raises(openai.BadRequestError, match=says):
            say(client, text, **fields)
    with pytest.raises(openai.NotFoundError):
        client.audio.speech.create(model="nobody", voice="heart", input="Hi")


def test_elevenlabs_way():
    with httpx.Client(base_url=URL, headers={"xi-api-key": KEY}) as http:
        voices = http.get("/v1/voices").raise_for_status().json()["voices"]
        asked = {"text": "Hello there.", "model_id": "eleven_multilingual_v2", "voice_settings": {"stability": 0.5}}
        path = f"/v1/text-to-speech/{voices[0]['voice_id']}/stream"
        sound = http.post(path, params={"output_format": "pcm_24000"}, json=asked, timeout=60).raise_for_status().content
        assert len(sound) > 20_000
