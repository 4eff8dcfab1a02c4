"""The official `google-genai` library against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model."""

import asyncio
import concurrent.futures
import json

import pytest
from google import genai
from google.genai import errors, types

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle

WEATHER = types.FunctionDeclaration(
    name="weather",
    description="The weather of a city",
    parameters=types.Schema(
        type="OBJECT", properties={"city": types.Schema(type="STRING", max_length=20)}, required=["city"]
    ),
)


def config(**fields):
    return types.GenerateContentConfig(**fields)


@pytest.fixture(scope="module")
def client():
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))


def test_plain(client):
    asked = config(max_output_tokens=16, system_instruction="Be brief.", temperature=0.5, top_k=20, seed=1)
    answer = client.models.generate_content(model=MODEL, contents="Say hello.", config=asked)
    assert answer.text and answer.candidates[0].finish_reason in ("STOP", "MAX_TOKENS")
    usage = answer.usage_metadata
    assert usage.prompt_token_count > 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count


def test_streamed(client):
    chunks = list(
        client.models.generate_content_stream(model=MODEL, contents="Say hello.", config=config(max_output_tokens=16))
    )
    assert "".join(c.text or "" for c in chunks)
    assert chunks[-1].candidates[0].finish_reason and chunks[-1].usage_metadata.candidates_token_count > 0


def test_candidates_and_log_probabilities(client):
    asked = config(max_output_tokens=4, candidate_count=2, response_logprobs=True, logprobs=2)
    answer = client.models.generate_content(model=MODEL, contents="Say hello.", config=asked)
    assert [c.index or 0 for c in answer.candidates] == [0, 1]
    result = answer.candidates[0].logprobs_result
    assert result.chosen_candidates[0].log_probability <= 0 and len(result.top_candidates[0].candidates) == 2


def test_forced_function_and_its_response(client):
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["weather"])
    asked = config(
        max_output_tokens=200,
        tools=[types.Tool(function_declarations=[WEATHER])],
        tool_config=types.ToolConfig(function_calling_config=calling),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    question = types.Content(role="user", parts=[types.Part(text="What is the weather in Oslo?")])
    answer = client.models.generate_content(model=MODEL, contents=[question], config=asked)
    call = answer.function_calls[0]
    assert call.name == "weather" and isinstance(call.args["city"], str)
    result = types.Part.from_function_response(name="weather", response={"result": "rain"})
    history = [question, answer.candidates[0].content, types.Content(role="user", parts=[result])]
    last = client.models.generate_content(model=MODEL, contents=history, config=config(max_output_tokens=16))
    assert last.candidates[0].content.parts
    streamed = list(client.models.generate_content_stream(model=MODEL, contents=[question], config=asked))
    assert any(c.function_calls for c in streamed)


def test_structured_output(client):
    person = {
        "type": "OBJECT",
        "properties": {"name": {"type": "STRING", "maxLength": "12"}, "age": {"type": "INTEGER", "minimum": 0, "maximum": 99}},
        "required": ["name", "age"],
    }
    asked = config(max_output_tokens=200, response_mime_type="application/json", response_schema=person)
    answer = client.models.generate_content(model=MODEL, contents="Describe a person.", config=asked)
    assert set(json.loads(answer.text)) == {"name", "age"}
    asked = config(
        response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["red", "green"]}, max_output_tokens=20
    )
    assert client.models.generate_content(model=MODEL, contents="Pick.", config=asked).text in ("red", "green")


def test_count_tokens(client):
    one = client.models.count_tokens(model=MODEL, contents="Say hello.").total_tokens
    two = client.models.count_tokens(model=MODEL, contents="Say hello to everybody in the room.").total_tokens
    assert 0 < one < two


def test_models(client):
    assert f"models/{MODEL}" in [model.name for model in client.models.list(config={"page_size": 1})]
    assert client.models.get(model=MODEL).input_token_limit > 0


def test_errors(client):
    with pytest.raises(errors.ClientError) as e:
        client.models.generate_content(model="no-such-model", contents="Hi")
    assert (e.value.code, e.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError, match="picture") as e:
        client.models.generate_content(model=MODEL, contents=[types.Part.from_bytes(data=b"x", mime_type="image/png")])
    assert (e.value.code, e.value.status) == (400, "INVALID_ARGUMENT")
    with pytest.raises(errors.ClientError, match=r"token count \(\d+\) exceeds .* \(\d+\)"):
        client.models.generate_content(model=MODEL, contents="word " * 300_000)


def test_cancelled_stream_stops_the_work(client):
    long = config(max_output_tokens=4000, temperature=0)
    stream = client.models.generate_content_stream(model=MODEL, contents="Tell a very long story.", config=long)
    assert any(chunk.text for chunk in stream)
    assert_at_work()
    stream.close()
    assert_idle()
    assert client.models.generate_content(model=MODEL, contents="Hi", config=config(max_output_tokens=4)).candidates


def test_many_at_once(client):
    def ask(n):
        return client.models.generate_content(model=MODEL, contents=f"Count to {n}.", config=config(max_output_tokens=8))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(a.usage_metadata.candidates_token_count > 0 for a in pool.map(ask, range(16)))

    async def together():
        asked = [
            client.aio.models.generate_content(model=MODEL, contents="Say hello.", config=config(max_output_tokens=8))
            for _ in range(16)
        ]
        return await asyncio.gather(*asked)

    assert all(a.usage_metadata.candidates_token_count > 0 for a in asyncio.run(together()))
    assert_idle()
