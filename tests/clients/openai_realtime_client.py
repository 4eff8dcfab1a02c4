"""The official `openai` library talks over the Realtime protocol: PARASOL_URL is the server's base address."""

import asyncio
import base64
import json
import re
import time

import openai
import pytest

from running_server import KEY, MODEL, URL, assert_idle
from sound import RATE, pull, wav

VOICE, EARS = "hibari", "whisper-base"
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def client():
    pull(VOICE, EARS)
    socket = f"{URL.replace('http', 'ws', 1)}/v1"
    with openai.OpenAI(base_url=f"{URL}/v1", websocket_base_url=socket, api_key=KEY, max_retries=0) as client:
        yield client


def say(client, text):
    fields = dict(model=VOICE, voice="heart", input=text, response_format="pcm", extra_body={"seed": 7})
    return client.audio.speech.create(**fields).content


def send(talk, sound, pause=0.0):
    """Sound in pieces of a tenth of a second."""
    step = RATE // 10 * 2
    for at in range(0, len(sound), step):
        talk.input_audio_buffer.append(audio=base64.b64encode(sound[at : at + step]).decode())
        time.sleep(pause)


def until(talk, kind):
    """The events up to one of this type, and it last."""
    events = []
    for event in talk:
        events.append(event)
        if event.type == kind:
            return events
    raise AssertionError(f"the server closed before {kind}: {[e.type for e in events]}")


def settings(**more):
    audio = {
        "input": {"transcription": {"model": EARS, "language": "en"}},
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": RATE}},
    }
    return {"type": "realtime", "audio": audio, "instructions": "Answer in one short sentence.", "max_output_tokens": 60} | more


def write(talk, text):
    talk.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    )


def words(text):
    return re.findall(r"\w+", text.lower())


def test_voice_to_voice(client):
    question = say(client, "What is the capital of France?") + bytes(RATE * 2)
    with client.realtime.connect(model=MODEL) as talk:
        assert talk.recv().type == "session.created"
        talk.session.update(session=settings())
        assert until(talk, "session.updated")[-1].session.audio.input.transcription.model == EARS
        send(talk, question)
        events = until(talk, "response.done")
    kinds = [event.type for event in events]
    assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.speech_stopped")
    heard = next(e for e in events if e.type == "conversation.item.input_audio_transcription.completed").transcript
    assert {"capital", "france"} <= set(words(heard)), heard
    response = events[-1].response
    assert response.status == "completed" and response.usage.output_tokens > 0
    said = response.output[0].content[0].transcript
    assert said == "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")
    sound = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")
    back = set(words(client.audio.transcriptions.create(model=EARS, file=("a.wav", wav(sound))).text))
    wanted = words(said)
    assert sum(word in back for word in wanted) >= 0.7 * len(wanted), (said, back)


def test_text_and_tools(client):
    with client.realtime.connect(model=MODEL) as talk:
        talk.session.update(session=settings(output_modalities=["text"], tools=[WEATHER], tool_choice="required"))
        write(talk, "How is the weather in Paris?")
        talk.response.create()
        call = until(talk, "response.done")[-1].response.output[0]
        assert (call.type, call.name) == ("function_call", "weather") and "city" in json.loads(call.arguments)
        talk.conversation.item.create(item={"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
        talk.response.create(response={"tool_choice": "none"})
        events = until(talk, "response.done")
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert text and events[-1].response.output[0].content[0].text == text


def test_turns_by_hand_and_cutting_short(client):
    session = settings()
    session["audio"]["input"]["turn_detection"] = None
    with client.realtime.connect(model=MODEL) as talk:
        talk.session.update(session=session)
        send(talk, say(client, "Tell me about the sea."))
        talk.input_audio_buffer.commit()
        talk.response.create()
        events = until(talk, "response.done")
        item = events[-1].response.output[0]
        talk.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=100)
        until(talk, "conversation.item.truncated")
        talk.conversation.item.retrieve(item_id=item.id)
        left = until(talk, "conversation.item.retrieved")[-1].item.content[0].transcript
        assert len(left) < len(item.content[0].transcript)
        talk.conversation.item.delete(item_id=item.id)
        until(talk, "conversation.item.deleted")
        talk.input_audio_buffer.clear()
        until(talk, "input_audio_buffer.cleared")


def test_speaking_over_an_answer(client):
    stop = say(client, "Stop, please, that is enough.") + bytes(RATE * 2)
    with client.realtime.connect(model=MODEL) as talk:
        session = settings(instructions="", max_output_tokens="inf")
        talk.session.update(session=session)
        write(talk, "Write a very long story about a king, with many chapters.")
        talk.response.create()
        until(talk, "response.output_audio.delta")
        send(talk, stop)
        done = until(talk, "response.done")[-1].response
        assert (done.status, done.status_details.reason) in [("cancelled", "turn_detected"), ("completed", None)], done
        talk.close()
    assert_idle()


def test_errors_do_not_end_a_session(client):
    with client.realtime.connect(model=MODEL) as talk:
        talk.send({"type": "conversation.item.delete", "item_id": "item_x", "event_id": "mine"})
        error = until(talk, "error")[-1].error
        assert error.event_id == "mine" and "item_x" in error.message
        talk.response.cancel()
        assert until(talk, "error")[-1].error.code == "response_cancel_not_active"
        talk.session.update(session={"type": "realtime"})
        until(talk, "session.updated")
    with pytest.raises(Exception, match="404"):
        with client.realtime.connect(model="no-such-model"):
            pass


def test_only_written_down(client):
    text = "The boat was tied to the old wooden bridge, and nobody had seen the sailor since Monday."
    sound = say(client, text) + bytes(RATE * 2)
    with client.realtime.connect(model=EARS, extra_query={"intent": "transcription"}) as talk:
        assert talk.recv().session.type == "transcription"
        send(talk, sound, pause=0.1)
        events = until(talk, "conversation.item.input_audio_transcription.completed")
    assert "bridge" in events[-1].transcript
    assert any(e.type == "conversation.item.input_audio_transcription.delta" for e in events)


def test_many_at_once(client):
    socket = f"{URL.replace('http', 'ws', 1)}/v1"

    async def ask(client, n):
        async with client.realtime.connect(model=MODEL) as talk:
            await talk.session.update(session=settings(output_modalities=["text"], max_output_tokens=8))
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"Count to {n}."}]}
            await talk.conversation.item.create(item=item)
            await talk.response.create()
            async for event in talk:
                if event.type == "response.done":
                    return event.response.usage.output_tokens

    async def together():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", websocket_base_url=socket, api_key=KEY) as client:
            return await asyncio.gather(*(ask(client, n) for n in range(16)))

    assert all(tokens > 0 for tokens in asyncio.run(together()))
    assert_idle()
