"""The official `openai` library against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model."""

import concurrent.futures
import json

import openai
import pytest
from pydantic import BaseModel, ConfigDict, Field

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle, metric

HELLO = [{"role": "user", "content": "Say hello."}]
TOO_LONG = [{"role": "user", "content": "word " * 20_000}]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a city", "parameters": CITY, "strict": True},
}
FORCED = {"type": "function", "function": {"name": "weather"}}


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)


@pytest.fixture(scope="module")
def client():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def ask(client, **fields):
    asked = {"model": MODEL, "messages": HELLO, "max_completion_tokens": 16} | fields
    return client.chat.completions.create(**asked)


def test_plain(client):
    answer = ask(client)
    assert answer.object == "chat.completion" and answer.model == MODEL and answer._request_id
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    usage = answer.usage
    assert usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 16
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_streamed_says_what_the_whole_says(client):
    asked = {"temperature": 0, "max_completion_tokens": 24}
    # Asked twice, so that both find the prompt in the cache: how it is cut into batches can tip the scales between words.
    whole = [ask(client, **asked) for _ in range(2)][-1]
    chunks = list(ask(client, **asked, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == whole.choices[0].finish_reason and not any(reasons[:-1])
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_settings_are_honoured(client):
    whole = ask(client, temperature=0).choices[0].message.content
    stop = whole[3:5]
    cut = ask(client, temperature=0, stop=[stop]).choices[0]
    assert cut.finish_reason == "stop" and cut.message.content == whole[: whole.index(stop)]
    several = ask(client, n=3, seed=1, temperature=1.5)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in several.choices}) > 1
    again = ask(client, n=3, seed=1, temperature=1.5)
    assert [c.message.content for c in several.choices] == [c.message.content for c in again.choices]
    item = ask(client, logprobs=True, top_logprobs=2, temperature=0).choices[0].logprobs.content[0]
    assert item.logprob <= 0 and len(item.top_logprobs) == 2 and item.top_logprobs[0].token == item.token


def test_forced_tool_and_its_result(client):
    question = [{"role": "user", "content": "What is the weather in Oslo?"}]
    tools = {"tools": [WEATHER], "tool_choice": FORCED, "max_completion_tokens": 200}
    choice = ask(client, messages=question, **tools).choices[0]
    assert choice.finish_reason == "tool_calls", choice
    [call] = choice.message.tool_calls
    assert call.function.name == "weather" and isinstance(json.loads(call.function.arguments)["city"], str)
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    last = ask(client, messages=[*question, choice.message, result], tools=[WEATHER], tool_choice="none").choices[0]
    assert last.message.content and not last.message.tool_calls


def test_streamed_tool(client):
    tools = {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    with client.chat.completions.stream(model=MODEL, messages=HELLO, max_completion_tokens=200, **tools) as stream:
        deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert "".join(delta.arguments_delta for delta in deltas) == call.function.arguments
    assert set(json.loads(call.function.arguments)) == {"city"}


def test_structured_output(client):
    asked = {"model": MODEL, "messages": HELLO, "response_format": Person}
    parsed = client.chat.completions.parse(**asked, max_completion_tokens=200).choices[0]
    assert parsed.finish_reason == "stop" and isinstance(parsed.message.parsed, Person)
    with client.chat.completions.stream(**asked, max_completion_tokens=200) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Person)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**asked, max_completion_tokens=2)
    free = ask(client, response_format={"type": "json_object"}, max_completion_tokens=400).choices[0]
    if free.finish_reason == "stop":
        assert isinstance(json.loads(free.message.content), dict)


def test_completions(client):
    whole = client.completions.create(model=MODEL, prompt="One, two,", max_tokens=8, temperature=0, echo=False)
    assert whole.object == "text_completion" and whole.choices[0].text
    chunks = client.completions.create(model=MODEL, prompt="One, two,", max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text


def test_models(client):
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_errors(client):
    with pytest.raises(openai.NotFoundError) as e:
        ask(client, model="no-such-model")
    assert e.value.code == "model_not_found" and e.value.request_id
    with pytest.raises(openai.BadRequestError, match=r"\d{5,} tokens .* \d{3,}") as e:
        ask(client, messages=TOO_LONG)
    assert e.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match=r"\d{5,} tokens .* \d{3,}"):
        ask(client, messages=TOO_LONG, stream=True)
    for wrong in ({"temperature": -1}, {"top_logprobs": 2}, {"extra_body": {"frobnicate": 1}}, {"max_completion_tokens": 0}):
        name = next(iter(wrong.get("extra_body", wrong)))
        with pytest.raises(openai.BadRequestError, match=name) as e:
            ask(client, **wrong)
        assert e.value.param == name and e.value.type == "invalid_request_error"
    image = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}
    with pytest.raises(openai.BadRequestError, match="picture"):
        ask(client, messages=[{"role": "user", "content": [image]}])
    with pytest.raises(openai.BadRequestError, match="not offered"):
        client.moderations.create(model=MODEL, input="x")


def test_cancelled_stream_stops_the_work(client):
    long = [{"role": "user", "content": "Tell a very long story."}]
    before = metric("answers_total")
    stream = ask(client, messages=long, max_completion_tokens=4000, stream=True, temperature=0)
    # The first chunk comes before the first token is computed.
    assert any(chunk.choices[0].delta.content for chunk in stream)
    assert_at_work()
    stream.close()
    assert_idle()
    assert metric("answers_total") == before + 1
    # Hanging up before the answer has begun, which for a whole answer is any time.
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=1), messages=long, max_completion_tokens=4000, temperature=0)
    assert_idle()


def test_many_at_once(client):
    def one(n):
        answer = ask(client, messages=[{"role": "user", "content": f"Count to {n}."}], stream=n % 2 == 0)
        if n % 2:
            return answer.choices[0].message.content
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(16)))
    assert_idle()


@pytest.mark.parametrize("gone", range(2))
def test_async_client_and_its_cancellation(gone):
    import asyncio

    async def one(client, n):
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=32, stream=True)
        async for chunk in stream:
            if n % 2 == gone:
                await stream.close()
                return True
        return True

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client, n) for n in range(16)))

    assert all(asyncio.run(all_of_them()))
    assert_idle()
