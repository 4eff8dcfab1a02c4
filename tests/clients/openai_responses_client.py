"""The Responses API with the official `openai` library: PARASOL_URL is the server's base address, PARASOL_MODEL the model."""

import concurrent.futures
import json

import openai
import pytest
from pydantic import BaseModel, ConfigDict, Field

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)


@pytest.fixture(scope="module")
def client():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def ask(client, text="Say hello.", **fields):
    return client.responses.create(**({"model": MODEL, "input": text, "max_output_tokens": 32} | fields))


def test_plain(client):
    answer = ask(client, instructions="Be brief.")
    assert answer.object == "response" and answer.output_text and answer.id.startswith("resp_")
    assert answer.status in ("completed", "incomplete")
    if answer.status == "incomplete":
        assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.input_tokens > 0 and 0 < answer.usage.output_tokens <= 32
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_streamed(client):
    ask(client, temperature=0)  # From here on the prompt is in the cache: how it is cut into batches can tip the scales.
    events = list(ask(client, stream=True, temperature=0))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    for kind in ("response.output_item.added", "response.content_part.added", "response.output_text.done"):
        assert kinds.count(kind) == 1
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text and text == events[-1].response.output_text == ask(client, temperature=0).output_text


def test_previous_response(client):
    first = ask(client, "My name is Ada.")
    second = ask(client, "What is my name?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    alone = ask(client, "What is my name?")
    assert second.usage.input_tokens > alone.usage.input_tokens + first.usage.output_tokens
    with pytest.raises(openai.BadRequestError) as e:
        ask(client, previous_response_id="resp_none")
    assert (e.value.code, e.value.param) == ("previous_response_not_found", "previous_response_id")


def test_stored_and_deletable(client):
    made = ask(client)
    assert client.responses.retrieve(made.id).output_text == made.output_text
    items = client.responses.input_items.list(made.id).data
    assert items[0].content[0].text == "Say hello."
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    unstored = ask(client, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unstored.id)


def test_streamed_answers_are_stored(client):
    last = list(ask(client, stream=True))[-1].response
    assert client.responses.retrieve(last.id).output_text == last.output_text


def test_forced_tool_and_its_result(client):
    forced = {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}, "max_output_tokens": 200}
    answer = ask(client, "What is the weather in Oslo?", **forced)
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "weather" and isinstance(json.loads(call.arguments)["city"], str)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    after = {"tools": [WEATHER], "tool_choice": "none"}
    assert ask(client, [result], previous_response_id=answer.id, **after).output_text
    question = {"role": "user", "content": "What is the weather in Oslo?"}
    assert ask(client, [question, *answer.output, result], **after).output_text


def test_streamed_tool(client):
    events = list(ask(client, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False,
                      max_output_tokens=200, stream=True))
    deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    [done] = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert "".join(deltas) == done.arguments and set(json.loads(done.arguments)) == {"city"}


def test_structured_output(client):
    parsed = client.responses.parse(model=MODEL, input="Describe a person.", text_format=Person, max_output_tokens=200)
    assert isinstance(parsed.output_parsed, Person)
    with client.responses.stream(
        model=MODEL, input="Describe a person.", text_format=Person, max_output_tokens=200
    ) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Person)


def test_errors(client):
    with pytest.raises(openai.NotFoundError) as e:
        ask(client, model="no-such-model")
    assert e.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match=r"\d{5,} tokens .* \d{3,}") as e:
        ask(client, "word " * 20_000)
    assert e.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="frobnicate"):
        ask(client, extra_body={"frobnicate": 1})
    with pytest.raises(openai.BadRequestError, match="temperature"):
        ask(client, temperature=-1)
    with pytest.raises(openai.BadRequestError) as e:
        ask(client, tools=[{"type": "web_search"}])
    assert e.value.param == "tools.0.type"


def test_cancelled_stream_stops_the_work(client):
    stream = ask(client, "Tell a very long story.", stream=True, max_output_tokens=4000, temperature=0)
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    assert_at_work()
    stream.close()
    assert_idle()


def test_many_at_once(client):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: ask(client, f"Count to {n}.", max_output_tokens=8), range(16)))
    assert len({answer.id for answer in answers}) == 16 and all(answer.output_text for answer in answers)
    assert_idle()
