"""LangChain's OpenAI client against a running server: PARASOL_URL is its base address, PARASOL_MODEL the model."""

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ConfigDict, Field

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle


class Person(BaseModel):
    """A person."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)


class City(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: str = Field(max_length=20)


@tool(args_schema=City)
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def model(**fields):
    usual = {"model": MODEL, "base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0, "max_tokens": 32}
    return ChatOpenAI(**(usual | fields))


def test_plain_and_streamed():
    asked = [SystemMessage("Be brief."), HumanMessage("Say hello.")]
    # Asked twice, so that both find the prompt in the cache: how it is cut into batches can tip the scales between words.
    whole = [model(temperature=0).invoke(asked) for _ in range(2)][-1]
    assert whole.content and whole.usage_metadata["output_tokens"] > 0
    chunks = list(model(temperature=0, stream_usage=True).stream(asked))
    assert len(chunks) > 2 and "".join(chunk.content for chunk in chunks) == whole.content
    assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks) > 0


def test_tool_and_its_result():
    bound = model(max_tokens=200).bind_tools([weather], tool_choice="weather")
    asked = [HumanMessage("What is the weather in Oslo?")]
    answer = bound.invoke(asked)
    [call] = answer.tool_calls
    assert call["name"] == "weather" and not answer.invalid_tool_calls
    result = weather.invoke(call)
    assert isinstance(result, ToolMessage)
    last = model().bind_tools([weather], tool_choice="none").invoke([*asked, answer, result])
    assert last.content
    gathered = None
    for chunk in bound.stream(asked):
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered.tool_calls[0]["name"] == "weather"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(method):
    person = model(max_tokens=200).with_structured_output(Person, method=method).invoke("Describe a person.")
    assert isinstance(person, Person)


def test_errors():
    with pytest.raises(openai.NotFoundError):
        model(model="no-such-model").invoke("Hi")
    with pytest.raises(openai.BadRequestError, match=r"\d{5,} tokens .* \d{3,}"):
        model().invoke("word " * 20_000)
    with pytest.raises(openai.BadRequestError, match="frobnicate"):
        model(extra_body={"frobnicate": 1}).invoke("Hi")


def test_cancelled_stream_stops_the_work():
    stream = model(max_tokens=4000, temperature=0).stream("Tell a very long story.")
    assert any(chunk.content for chunk in stream)
    assert_at_work()
    stream.close()
    assert_idle()


def test_many_at_once():
    asked = [f"Count to {n}." for n in range(16)]
    assert all(answer.content for answer in model().batch(asked, config={"max_concurrency": 16}))
    assert_idle()


def test_responses_api():
    answer = model(use_responses_api=True, output_version="responses/v1").invoke("Say hello.")
    assert answer.text and answer.response_metadata["id"].startswith("resp_")
    chunks = list(model(use_responses_api=True).stream("Say hello."))
    assert "".join(chunk.text for chunk in chunks)
