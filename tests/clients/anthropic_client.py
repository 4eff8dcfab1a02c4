"""The official `anthropic` library against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model."""

import asyncio
import concurrent.futures
import json

import anthropic
import pytest

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def client():
    return anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)


def test_plain(client):
    message = client.messages.create(model=MODEL, max_tokens=16, messages=HELLO, system="Be brief.")
    assert message.role == "assistant" and message.content[0].text
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 0
    assert 0 < message.usage.output_tokens <= 16
    assert message._request_id


def test_streamed(client):
    with client.messages.stream(model=MODEL, max_tokens=16, messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert "content_block_start" in kinds and "content_block_stop" in kinds and "message_delta" in kinds
    assert final.content[0].text and final.usage.output_tokens > 0


def test_stop_sequence(client):
    asked = dict(model=MODEL, max_tokens=64, messages=HELLO, extra_body={"temperature": 0})
    whole = client.messages.create(**asked).content[0].text
    stop = whole[2:4]
    cut = client.messages.create(**asked, stop_sequences=[stop])
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", stop)
    assert all(stop not in block.text for block in cut.content)


def test_forced_tool_and_its_result(client):
    asked = [{"role": "user", "content": "What is the weather in Oslo?"}]
    tools = dict(tools=[WEATHER], tool_choice={"type": "tool", "name": "weather"})
    answer = client.messages.create(model=MODEL, max_tokens=200, messages=asked, **tools)
    assert answer.stop_reason == "tool_use", answer
    call = next(block for block in answer.content if block.type == "tool_use")
    assert call.name == "weather" and isinstance(call.input["city"], str)
    asked += [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]},
    ]
    tools["tool_choice"] = {"type": "none"}
    last = client.messages.create(model=MODEL, max_tokens=16, messages=asked, **tools)
    assert last.content[0].type == "text"


def test_streamed_tool(client):
    choice = {"type": "any", "disable_parallel_tool_use": True}
    with client.messages.stream(
        model=MODEL, max_tokens=200, messages=HELLO, tools=[WEATHER], tool_choice=choice
    ) as stream:
        deltas = [e for e in stream if e.type == "content_block_delta" and e.delta.type == "input_json_delta"]
        final = stream.get_final_message()
    assert deltas and json.loads("".join(e.delta.partial_json for e in deltas)) == final.content[-1].input


def test_structured_output(client):
    config = {"format": {"type": "json_schema", "schema": PERSON}}
    message = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO, output_config=config)
    assert message.stop_reason == "end_turn"
    person = json.loads(message.content[0].text)
    assert isinstance(person["name"], str) and 0 <= person["age"] <= 99


def test_count_tokens(client):
    one = client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens
    longer = [{"role": "user", "content": "Say hello to everybody in the room."}]
    two = client.messages.count_tokens(model=MODEL, messages=longer).input_tokens
    assert 0 < one < two


def test_models(client):
    names = [model.id for model in client.models.list(limit=1)]
    assert MODEL in names
    assert client.models.retrieve(MODEL).type == "model"


def test_errors(client):
    with pytest.raises(anthropic.NotFoundError) as e:
        client.messages.create(model="no-such-model", max_tokens=1, messages=HELLO)
    assert e.value.type == "not_found_error" and e.value.request_id
    with pytest.raises(anthropic.BadRequestError, match="frobnicate"):
        client.messages.create(model=MODEL, max_tokens=1, messages=HELLO, extra_body={"frobnicate": 1})
    with pytest.raises(anthropic.BadRequestError, match="picture"):
        image = {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/x.png"}}
        client.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": [image]}])
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
        client.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "word " * 300_000}])


def test_cancelled_stream_stops_the_work(client):
    long = [{"role": "user", "content": "Tell a very long story."}]
    with client.messages.stream(model=MODEL, max_tokens=4000, messages=long, extra_body={"temperature": 0}) as stream:
        assert any(event.type == "content_block_delta" for event in stream)
        assert_at_work()
    assert_idle()
    assert client.messages.create(model=MODEL, max_tokens=4, messages=HELLO).content


def test_many_at_once(client):
    def ask(n):
        return client.messages.create(model=MODEL, max_tokens=8, messages=[{"role": "user", "content": f"Count to {n}."}])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(message.usage.output_tokens > 0 for message in pool.map(ask, range(16)))

    async def together():
        async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as far:
            asked = [far.messages.create(model=MODEL, max_tokens=8, messages=HELLO) for _ in range(16)]
            return await asyncio.gather(*asked)

    assert all(message.usage.output_tokens > 0 for message in asyncio.run(together()))
    assert_idle()
