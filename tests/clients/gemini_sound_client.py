"""The official `google-genai` library asks for speech, and has it heard: PARASOL_URL is the server's base address."""

import base64

import httpx
import pytest
from google import genai
from google.genai import errors, types

from running_server import KEY, MODEL, URL, assert_idle
from sound import TEXT, WORDS, pull, wav

VOICE, EARS = "hibari", "whisper-base"


@pytest.fixture(scope="module")
def client():
    pull(VOICE, EARS)
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))


def spoken(voice="Kore", **fields):
    built = types.PrebuiltVoiceConfig(voice_name=voice)
    speech = types.SpeechConfig(voice_config=types.VoiceConfig(prebuilt_voice_config=built))
    return types.GenerateContentConfig(response_modalities=["AUDIO"], speech_config=speech, seed=7, **fields)


def heard(sound):
    with httpx.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}, timeout=120) as http:
        answer = http.post("/v1/audio/transcriptions", data={"model": EARS}, files={"file": ("a.wav", sound)})
    return answer.raise_for_status().json()["text"].lower()


def test_a_text_is_read_aloud(client):
    answer = client.models.generate_content(model=VOICE, contents=TEXT, config=spoken())
    part = answer.candidates[0].content.parts[0].inline_data
    assert part.mime_type == "audio/L16;codec=pcm;rate=24000"
    said = heard(wav(part.data))
    assert all(word in said for word in WORDS), said
    assert answer.usage_metadata.candidates_token_count > 0
    pieces = list(client.models.generate_content_stream(model=VOICE, contents=TEXT, config=spoken("heart")))
    data = [p.inline_data.data for c in pieces for p in c.candidates[0].content.parts or [] if p.inline_data]
    assert len(data) > 1 and b"".join(data) == part.data


def test_sound_in_a_prompt_is_heard(client):
    answer = client.models.generate_content(model=VOICE, contents=TEXT, config=spoken())
    sound = wav(answer.candidates[0].content.parts[0].inline_data.data)
    asked = [types.Part.from_bytes(data=sound, mime_type="audio/wav"), "Repeat what the sound says, word by word."]
    plain = client.models.count_tokens(model=MODEL, contents=asked[1:]).total_tokens
    assert client.models.count_tokens(model=MODEL, contents=asked).total_tokens > plain + 15
    config = types.GenerateContentConfig(max_output_tokens=60, temperature=0)
    text = client.models.generate_content(model=MODEL, contents=asked, config=config).text.lower()
    assert "bridge" in text or "sailor" in text or "boat" in text, text
    assert_idle()


def test_what_is_wrong_is_a_400_that_names_it(client):
    for model, config, says in [
        (MODEL, spoken(), "no voice"),
        (VOICE, spoken("nobody"), "nobody"),
        (VOICE, spoken(candidate_count=2), "candidateCount"),
    ]:
        with pytest.raises(errors.ClientError, match=says) as e:
            client.models.generate_content(model=model, contents="Hi", config=config)
        assert e.value.code == 400
    part = types.Part.from_bytes(data=base64.b64decode("AAAA"), mime_type="audio/wav")
    with pytest.raises(errors.ClientError, match="inlineData"):
        client.models.generate_content(model=MODEL, contents=[part])
