"""The `llm` command, a chat front end for the terminal, unchanged: only its configuration names a running server.

PARASOL_URL is the server's base address, PARASOL_MODEL the model."""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys

import pytest

from running_server import KEY, MODEL, URL, assert_at_work, assert_idle

MODELS = f"""
- model_id: parasol
  model_name: {MODEL}
  api_base: {URL}/v1
  supports_schema: true
  supports_tools: true
- model_id: missing
  model_name: no-such-model
  api_base: {URL}/v1
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("llm")
    (home / "extra-openai-models.yaml").write_text(MODELS)
    (home / "keys.json").write_text(json.dumps({"openai": KEY}))
    return os.environ | {"LLM_USER_PATH": str(home)}


def command(*arguments):
    return [sys.executable, "-m", "llm", *arguments]


def llm(settings, *arguments, model="parasol", tokens=32):
    asked = command("prompt", "-m", model, "-o", "max_tokens", str(tokens), *arguments)
    return subprocess.run(asked, env=settings, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)


def test_plain_and_streamed(settings):
    # Asked twice, so that both find the prompt in the cache: how it is cut into batches can tip the scales between words.
    asked = ("--no-stream", "-o", "temperature", "0", "-s", "Be brief.", "Say hello.")
    whole = [llm(settings, *asked) for _ in range(2)][-1]
    assert whole.returncode == 0 and whole.stdout.strip(), whole.stderr
    streamed = llm(settings, "-o", "temperature", "0", "-s", "Be brief.", "Say hello.", "--usage")
    assert streamed.stdout == whole.stdout
    assert "input" in streamed.stderr and "output" in streamed.stderr


def test_conversation(settings):
    assert llm(settings, "My name is Ada.").returncode == 0
    more = llm(settings, "-c", "What is my name?")
    assert more.returncode == 0 and more.stdout.strip(), more.stderr


def test_schema(settings):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["name", "age"],
    }
    made = llm(settings, "--schema", json.dumps(schema), "Invent a person.", tokens=200)
    assert set(json.loads(made.stdout)) == {"name", "age"}, made.stderr


def test_tools(settings):
    function = "def weather(city: str) -> str:\n    'The weather of a city'\n    return 'rain in ' + city\n"
    asked = ("--functions", function, "--td", "What is the weather in Oslo?")
    answer = llm(settings, *asked, tokens=60)
    assert answer.returncode == 0 and answer.stdout.strip(), answer.stderr


def test_errors(settings):
    unknown = llm(settings, "Hi", model="missing")
    assert unknown.returncode != 0 and "no-such-model" in unknown.stderr
    wrong = llm(settings, "-o", "temperature", "2", "-o", "presence_penalty", "2", "-o", "json_object", "1", "x " * 9000)
    assert wrong.returncode != 0 and "tokens" in wrong.stderr


def test_interrupted_answer_stops_the_work(settings):
    long = command("prompt", "-m", "parasol", "-o", "max_tokens", "4000", "-o", "temperature", "0", "Tell a very long story.")
    with subprocess.Popen(long, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(1)
        assert_at_work()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
    assert_idle()


def test_many_at_once(settings):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: llm(settings, f"Count to {n}.", "-n"), range(16)))
    assert all(answer.returncode == 0 and answer.stdout.strip() for answer in answers)
    assert_idle()
