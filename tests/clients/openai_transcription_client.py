"""The official `openai` library asks for transcriptions: PARASOL_URL is the server's base address."""

from pathlib import Path

import openai
import pytest

from running_server import KEY, URL
from sound import pull

EARS = "whisper-tiny"
SPEECH = Path(__file__).resolve().parent.parent / "fixtures" / "whisper" / "speech.flac"


@pytest.fixture(scope="module")
def client():
    pull(EARS)
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def ask(client, **fields):
    return client.audio.transcriptions.create(model=EARS, file=SPEECH, **fields)


def test_json(client):
    answer = ask(client)
    assert "sister" in answer.text.lower() and not answer.text.startswith(" ")


def test_text_and_subtitles(client):
    text = ask(client, response_format="text")
    assert "sister" in text.lower()
    srt = ask(client, response_format="srt")
    assert srt.startswith("1\n00:00:0") and " --> " in srt and "," in srt.splitlines()[1]
    vtt = ask(client, response_format="vtt", language="en", prompt="Alice's Adventures.")
    assert vtt.startswith("WEBVTT\n\n00:00:0") and " --> " in vtt


def test_verbose_with_words(client):
    answer = ask(client, response_format="verbose_json", timestamp_granularities=["word", "segment"], temperature=0)
    assert answer.language == "english" and 15 < answer.duration < 30
    assert answer.segments and answer.words and len(answer.words) > 30
    assert all(0 <= w.start <= w.end <= answer.duration for w in answer.words)
    assert [s.id for s in answer.segments] == list(range(len(answer.segments)))
    only = ask(client, response_format="verbose_json", timestamp_granularities=["word"])
    assert only.words and not only.segments


def test_streamed_says_what_the_whole_says(client):
    whole = ask(client).text
    events = list(ask(client, stream=True))
    assert [e.type for e in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1].type == "transcript.text.done" and events[-1].text == whole
    assert "".join(e.delta for e in events[:-1]) == whole


def test_what_is_wrong_is_a_400_that_names_it(client):
    for fields, says in [
        ({"language": "klingon"}, "klingon"),
        ({"temperature": 7}, "temperature"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"language": "de"}, "English only"),
    ]:
        with pytest.raises(openai.BadRequestError, match=says):
            ask(client, **fields)
    for bytes_, says in [(b"", "empty"), (b"no sound at all, but a text " * 20, "no sound")]:
        with pytest.raises(openai.BadRequestError, match=says):
            client.audio.transcriptions.create(model=EARS, file=("a.wav", bytes_))
    with pytest.raises(openai.NotFoundError):
        client.audio.transcriptions.create(model="nobody", file=SPEECH)
    with pytest.raises(openai.BadRequestError, match="English only"):
        client.audio.translations.create(model=EARS, file=SPEECH)
