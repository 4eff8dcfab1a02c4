"""The official `ollama` library against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model."""

import asyncio
import concurrent.futures

import ollama
import pytest
from pydantic import BaseModel, Field

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle

HELLO = [{"role": "user", "content": "Say hello."}]
LONG = [{"role": "user", "content": "Tell a very long story."}]
FEW = {"num_predict": 16}


class Person(BaseModel):
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)


def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city
    """
    return f"rain in {city}"


@pytest.fixture(scope="module")
def client():
    return ollama.Client(host=URL, headers={"Authorization": f"Bearer {KEY}"})


def test_plain(client):
    answer = client.chat(model=MODEL, messages=HELLO, options=FEW)
    assert answer.message.role == "assistant" and answer.message.content
    assert answer.done and answer.done_reason in ("stop", "length")
    assert answer.prompt_eval_count > 0 and 0 < answer.eval_count <= 16 and answer.total_duration > 0
    assert client.generate(model=f"{MODEL}:latest", prompt="Say hello.", options=FEW).response


def test_streamed_says_what_the_whole_says(client):
    asked = {"model": MODEL, "messages": HELLO, "options": FEW | {"temperature": 0}}
    # Asked twice, so that both find the prompt in the cache: how it is cut into batches can tip the scales between words.
    whole = [client.chat(**asked) for _ in range(2)][-1]
    parts = list(client.chat(**asked, stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    raw = {"model": MODEL, "prompt": "One, two,", "raw": True, "options": FEW | {"temperature": 0}}
    pieces = client.generate(**raw, stream=True)
    assert "".join(piece.response for piece in pieces) == client.generate(**raw).response


def test_tools(client):
    # The protocol cannot force a call, so the conversation shows the small model how it is done.
    def turn(city):
        call = {"function": {"name": "weather", "arguments": {"city": city}}}
        return [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_name": "weather", "content": f"rain in {city}"},
            {"role": "assistant", "content": "It rains."},
        ]

    asked = turn("Oslo") * 5 + turn("Oslo")[:1]
    options = {"temperature": 0, "num_predict": 60}
    answer = client.chat(model=MODEL, messages=asked, tools=[weather], options=options)
    [call] = answer.message.tool_calls
    assert call.function.name == "weather" and isinstance(call.function.arguments["city"], str)
    streamed = list(client.chat(model=MODEL, messages=asked, tools=[weather], options=options, stream=True))
    assert [c for part in streamed for c in part.message.tool_calls or []][0].function == call.function
    result = {"role": "tool", "tool_name": "weather", "content": weather(**call.function.arguments)}
    assert client.chat(model=MODEL, messages=[*asked, answer.message, result], options=FEW).message.content


def test_structured_output(client):
    asked = {"model": MODEL, "messages": HELLO, "options": {"num_predict": 200}}
    Person.model_validate_json(client.chat(**asked, format=Person.model_json_schema()).message.content)
    parts = client.chat(**asked, format=Person.model_json_schema(), stream=True)
    Person.model_validate_json("".join(part.message.content or "" for part in parts))
    made = client.generate(model=MODEL, prompt="A person.", format=Person.model_json_schema(), options={"num_predict": 200})
    Person.model_validate_json(made.response)


def test_models(client):
    assert f"{MODEL}:latest" in [model.model for model in client.list().models]
    shown = client.show(MODEL)
    assert "completion" in shown.capabilities and shown.details.quantization_level
    client.generate(model=MODEL)  # loads
    assert f"{MODEL}:latest" in [model.model for model in client.ps().models]
    assert client.pull(MODEL).status == "success"
    assert [p.status for p in client.pull(MODEL, stream=True)][-1] == "success"
    client.generate(model=MODEL, keep_alive=0)  # unloads
    assert client.ps().models == []


def test_errors(client):
    with pytest.raises(ollama.ResponseError, match="no-such-model") as e:
        client.chat(model="no-such-model", messages=HELLO)
    assert e.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="frobnicate") as e:
        client.chat(model=MODEL, messages=HELLO, options={"frobnicate": 1})
    assert e.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match="temperature"):
        client.chat(model=MODEL, messages=HELLO, options={"temperature": -1})
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match=r"\d{5,} tokens .* \d{3,}") as e:
            list(client.chat(model=MODEL, messages=[{"role": "user", "content": "word " * 20_000}], stream=stream))
        assert e.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match="image"):
        client.chat(model=MODEL, messages=[{"role": "user", "content": "x", "images": [b"x"]}])
    with pytest.raises(ollama.ResponseError, match="not offered"):
        client.copy(MODEL, "other")
    with pytest.raises(ollama.ResponseError) as e:
        client.pull("../../etc/passwd")
    assert e.value.status_code in (400, 404)


def test_cancelled_stream_stops_the_work(client):
    stream = client.chat(model=MODEL, messages=LONG, options={"num_predict": 4000, "temperature": 0}, stream=True)
    assert any(part.message.content for part in stream)
    assert_at_work()
    stream.close()
    assert_idle()


def test_many_at_once(client):
    def one(n):
        return client.chat(model=MODEL, messages=[{"role": "user", "content": f"Count to {n}."}], options=FEW)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(answer.eval_count > 0 for answer in pool.map(one, range(16)))

    async def together():
        far = ollama.AsyncClient(host=URL)
        answers = [far.chat(model=MODEL, messages=HELLO, options=FEW) for _ in range(16)]
        return await asyncio.gather(*answers)

    assert all(answer.eval_count > 0 for answer in asyncio.run(together()))
    assert_idle()
