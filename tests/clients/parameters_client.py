"""No parameter of an official client is ignored in silence: every one that its library can send is either honoured, which is shown by
what it does, or refused by name, or named in the header `x-parasol-without-effect`. The lists are the libraries' own, so a new version
of one with a new parameter is looked at by this file before anybody sends it."""

import json
import typing
import urllib.error
import urllib.request

import anthropic.types.beta.message_create_params as anthropic_beta
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params

from running_server import KEY, MODEL, URL

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}}, "required": ["city"]}
PERSON = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["age"]}
# What a parameter that nobody here knows is tried with: whatever its type is, one of them has it.
PROBES = [True, 1, "x", ["x"], {"x": 1}, [{"x": 1}], {"type": "x"}]


def snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def post(path, body):
    """(status, body, fields that are reported as without effect)."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            status, text, noted = answer.status, answer.read().decode(), answer.headers.get("x-parasol-without-effect", "")
    except urllib.error.HTTPError as error:
        status, text, noted = error.code, error.read().decode(), ""
    return status, text, noted


class Dialect:
    """One route: a body that it answers, with `place` for a parameter, and how an answer's text and tokens are found."""

    def __init__(self, path, body, place=(), names=lambda name: name):
        self.path, self.body, self.place, self.names = path, body, place, names

    def with_(self, **fields):
        body = json.loads(json.dumps(self.body))
        inner = body
        for step in self.place:
            inner = inner.setdefault(step, {})
        inner.update({self.names(name): value for name, value in fields.items()})
        return body

    def ask(self, **fields):
        status, text, noted = post(self.path, self.with_(**fields))
        assert status == 200, (self.path, fields, text[:400])
        return json.loads(text), noted

    def silent(self, name, off=None):
        """The probes of a parameter that pass without a word, but for the one that is `off`."""
        passed = []
        for probe in (probe for probe in PROBES if probe is True or probe != off):
            status, text, noted = post(self.path, self.with_(**{name: probe}))
            assert status in (200, 400), (name, probe, status, text[:400])
            # An error has to be about this parameter, and a report has to name it.
            said = text if status == 400 else noted
            if not any(word in said for word in (self.names(name), snake(name), name)):
                passed.append((probe, status, said[:200]))
        return passed


def parameters(typed):
    return set(typing.get_type_hints(typed))


def check(dialect, names, honoured, clients_own=(), off=None):
    """Every name is honoured, which `honoured` shows, or never passes in silence, but for the value in `off` that asks for nothing;
    what is honoured is a parameter indeed."""
    unknown = set(honoured) - set(names)
    assert not unknown, f"shown to be honoured, and no parameter of the client: {unknown}"
    rest = sorted(set(names) - set(honoured) - set(clients_own))
    silent = {name: found for name in rest if (found := dialect.silent(name, (off or {}).get(name)))}
    assert not silent, f"ignored in silence: {silent}"
    for name, shows in honoured.items():
        if shows is not None:
            assert shows(), f"{name} has no effect"


# What the body itself needs is honoured, or there would be no answer.
NEEDED = None
CHAT = Dialect("/v1/chat/completions", {"model": MODEL, "messages": HELLO, "max_tokens": 12, "temperature": 0})
# What makes the small model repeat itself.
SINGING = "Say the word 'la' thirty times: la la la la la la la la la la"


def said(**fields):
    return CHAT.ask(**fields)[0]["choices"][0]["message"]["content"]


def test_openai_chat():
    tool = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
    plain = said()

    def choice(**fields):
        return CHAT.ask(**fields)[0]["choices"][0]

    def sung(**fields):
        return said(messages=[{"role": "user", "content": SINGING}], max_tokens=40, **fields)

    def stream(**fields):
        return post(CHAT.path, CHAT.with_(stream=True, **fields))[1]

    def calls(**fields):
        return choice(tools=[tool], max_tokens=200, **fields)["message"].get("tool_calls") or []

    check(
        CHAT,
        parameters(chat_create_params.CompletionCreateParamsNonStreaming),
        {
            "model": NEEDED,
            "messages": NEEDED,
            "frequency_penalty": lambda: sung(frequency_penalty=2) != sung(),
            "presence_penalty": lambda: sung(presence_penalty=2) != sung(),
            "logit_bias": lambda: len(set(said(logit_bias={"33": 100}))) <= 2 and said(logit_bias={"33": 100}) != plain,
            "logprobs": lambda: len(choice(logprobs=True)["logprobs"]["content"]) > 0,
            "top_logprobs": lambda: len(choice(logprobs=True, top_logprobs=3)["logprobs"]["content"][0]["top_logprobs"]) == 3,
            "max_tokens": lambda: CHAT.ask(max_tokens=2)[0]["usage"]["completion_tokens"] == 2,
            "max_completion_tokens": lambda: json.loads(
                post(CHAT.path, {"model": MODEL, "messages": HELLO, "max_completion_tokens": 2})[1]
            )["usage"]["completion_tokens"] == 2,
            "n": lambda: len(CHAT.ask(n=3)[0]["choices"]) == 3,
            "seed": lambda: said(temperature=1.5, seed=1) == said(temperature=1.5, seed=1) != said(temperature=1.5, seed=2),
            "stop": lambda: plain[2:4] not in said(stop=[plain[2:4]]),
            "stream": lambda: stream().count("data: ") > 3,
            "stream_options": lambda: '"usage":{' in stream(stream_options={"include_usage": True}),
            "temperature": lambda: len({said(temperature=2, seed=n) for n in range(4)}) > 1,
            "top_p": lambda: len({said(temperature=2, seed=n, top_p=0.0001) for n in range(4)}) == 1,
            "tools": lambda: CHAT.ask(tools=[tool])[0]["usage"]["prompt_tokens"] > CHAT.ask()[0]["usage"]["prompt_tokens"] + 20,
            "tool_choice": lambda: calls(tool_choice="required")[0]["function"]["name"] == "weather" and not calls(tool_choice="none"),
            "parallel_tool_calls": lambda: len(calls(tool_choice="required", parallel_tool_calls=False)) == 1,
            "response_format": lambda: set(
                json.loads(said(max_tokens=60, response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}))
            ) == {"age"},
            # Refused where the model does not think; one that does is asked in the tests of the server.
            "reasoning_effort": lambda: "does not think" in post(CHAT.path, CHAT.with_(reasoning_effort="high"))[1],
        },
    )
    # Accepted as far as it asks for what is done anyway, and refused beyond.
    for name, fine, refused in [
        ("store", False, True),
        ("service_tier", "auto", "priority"),
        ("modalities", ["text"], ["text", "audio"]),
        ("verbosity", "medium", "low"),
    ]:
        assert post(CHAT.path, CHAT.with_(**{name: fine}))[0] == 200, name
        status, text, _ = post(CHAT.path, CHAT.with_(**{name: refused}))
        assert status == 400 and name in text, text


def test_openai_completions():
    dialect = Dialect("/v1/completions", {"model": MODEL, "prompt": "no no no no no no no no", "max_tokens": 12, "temperature": 0})

    def text(**fields):
        return dialect.ask(**fields)[0]["choices"][0]["text"]

    plain = text()
    check(
        dialect,
        parameters(completion_create_params.CompletionCreateParamsNonStreaming),
        {
            "model": NEEDED,
            "prompt": NEEDED,
            "echo": lambda: text(echo=True).startswith("no no"),
            "frequency_penalty": lambda: text(frequency_penalty=2) != plain,
            "presence_penalty": lambda: text(presence_penalty=2, prompt="a b c d e a b c d e a b", max_tokens=30) != text(prompt="a b c d e a b c d e a b", max_tokens=30),
            "logit_bias": lambda: text(logit_bias={"33": 100}) != plain,
            "logprobs": lambda: len(dialect.ask(logprobs=2)[0]["choices"][0]["logprobs"]["top_logprobs"][0]) >= 2,
            "max_tokens": lambda: dialect.ask(max_tokens=3)[0]["usage"]["completion_tokens"] == 3,
            "n": lambda: len(dialect.ask(n=2)[0]["choices"]) == 2,
            "seed": lambda: text(temperature=1.5, seed=1) == text(temperature=1.5, seed=1) != text(temperature=1.5, seed=2),
            "stop": lambda: plain[2:4] not in text(stop=plain[2:4]),
            "stream": lambda: post(dialect.path, dialect.with_(stream=True))[1].count("data: ") > 3,
            "stream_options": lambda: '"usage":{' in post(dialect.path, dialect.with_(stream=True, stream_options={"include_usage": True}))[1],
            "temperature": lambda: len({text(temperature=2, seed=n) for n in range(4)}) > 1,
            "top_p": lambda: len({text(temperature=2, seed=n, top_p=0.0001) for n in range(4)}) == 1,
            # This model has no tokens for it, and says so.
            "suffix": lambda: "suffix" in post(dialect.path, dialect.with_(suffix=" yes"))[1],
        },
        off={"best_of": 1},
    )


def test_openai_responses():
    dialect = Dialect("/v1/responses", {"model": MODEL, "input": "Say hello.", "max_output_tokens": 12, "temperature": 0})
    tool = {"type": "function", "name": "weather", "parameters": WEATHER}

    def answer(**fields):
        return dialect.ask(**fields)[0]

    def text(**fields):
        return answer(**fields)["output"][0]["content"][0]["text"]

    def calls(**fields):
        output = answer(tools=[tool], max_output_tokens=200, **fields)["output"]
        return [item for item in output if item["type"] == "function_call"]

    def found(answer):
        return urllib.request.urlopen(f"{URL}/v1/responses/{answer['id']}").status == 200

    first = answer()
    person = {"format": {"type": "json_schema", "name": "p", "schema": PERSON}}
    check(
        dialect,
        parameters(response_create_params.ResponseCreateParamsNonStreaming),
        {
            "model": NEEDED,
            "input": NEEDED,
            "include": lambda: answer(include=["message.output_text.logprobs"])["output"][0]["content"][0]["logprobs"],
            "instructions": lambda: answer(instructions="Be very brief indeed, and rhyme.")["usage"]["input_tokens"] != first["usage"]["input_tokens"],
            "max_output_tokens": lambda: answer(max_output_tokens=2)["usage"]["output_tokens"] == 2,
            "metadata": lambda: answer(metadata={"a": "b"})["metadata"] == {"a": "b"},
            "parallel_tool_calls": lambda: len(calls(tool_choice="required", parallel_tool_calls=False)) == 1,
            "previous_response_id": lambda: answer(previous_response_id=first["id"])["usage"]["input_tokens"] > first["usage"]["input_tokens"] + 10,
            "reasoning": lambda: "does not think" in post(dialect.path, dialect.with_(reasoning={"effort": "high"}))[1],
            "store": lambda: found(answer(store=True)) and dialect.ask(store=False)[0]["store"] is False,
            "stream": lambda: "response.completed" in post(dialect.path, dialect.with_(stream=True, max_output_tokens=200))[1],
            "stream_options": lambda: "include_obfuscation" in dialect.ask(stream_options={"include_obfuscation": True})[1],
            "temperature": lambda: len({text(temperature=2) for _ in range(6)}) > 1,
            "text": lambda: set(json.loads(text(text=person, max_output_tokens=60))) == {"age"},
            "tool_choice": lambda: calls(tool_choice="required") and not calls(tool_choice="none"),
            "tools": lambda: calls(tool_choice={"type": "function", "name": "weather"})[0]["name"] == "weather",
            "top_logprobs": lambda: len(answer(top_logprobs=3)["output"][0]["content"][0]["logprobs"][0]["top_logprobs"]) == 3,
            "top_p": lambda: len({text(temperature=2, top_p=0.0001) for _ in range(3)}) == 1,
        },
    )
    for name, fine, refused in [("background", False, True), ("truncation", "disabled", "auto"), ("service_tier", "auto", "flex")]:
        assert post(dialect.path, dialect.with_(**{name: fine}))[0] == 200, name
        status, said, _ = post(dialect.path, dialect.with_(**{name: refused}))
        assert status == 400 and name in said, said


def test_anthropic():
    dialect = Dialect("/v1/messages", {"model": MODEL, "messages": HELLO, "max_tokens": 12, "temperature": 0})
    tool = {"name": "weather", "input_schema": WEATHER}

    def answer(**fields):
        return dialect.ask(**fields)[0]

    def text(**fields):
        return answer(**fields)["content"][0]["text"]

    def prompt(**fields):
        usage = answer(**fields)["usage"]
        return usage["input_tokens"] + usage["cache_read_input_tokens"]

    half = text()[2:4]
    schema = {"format": {"type": "json_schema", "schema": PERSON}}
    honoured = {
        "model": NEEDED,
        "messages": NEEDED,
        "max_tokens": lambda: answer(max_tokens=2)["usage"]["output_tokens"] == 2,
        "output_config": lambda: set(json.loads(text(output_config=schema, max_tokens=60))) == {"age"},
        "stop_sequences": lambda: answer(stop_sequences=[half])["stop_sequence"] == half,
        "stream": lambda: "message_stop" in post(dialect.path, dialect.with_(stream=True))[1],
        "system": lambda: prompt(system="Be very brief indeed.") != prompt(),
        "thinking": lambda: "does not think" in post(dialect.path, dialect.with_(thinking={"type": "enabled", "budget_tokens": 1024}))[1],
        "tool_choice": lambda: answer(tools=[tool], tool_choice={"type": "any"}, max_tokens=200)["stop_reason"] == "tool_use",
        "tools": lambda: prompt(tools=[tool]) > prompt() + 20,
        "metadata": lambda: "metadata.user_id" in dialect.ask(metadata={"user_id": "me"})[1],
        # A prompt's beginning is reused whether it is marked or not.
        "cache_control": lambda: post(dialect.path, dialect.with_(cache_control={"type": "ephemeral"}))[0] == 200,
    }
    check(dialect, parameters(message_create_params.MessageCreateParamsNonStreaming), honoured)
    beta = parameters(anthropic_beta.MessageCreateParamsNonStreaming)
    # `betas` and what is named after headers never reach a body.
    check(dialect, beta - set(honoured), {}, clients_own=("betas",))
    counted = Dialect("/v1/messages/count_tokens", {"model": MODEL, "messages": HELLO})
    names = parameters(message_count_tokens_params.MessageCountTokensParams)
    count = counted.ask()[0]["input_tokens"]
    check(
        counted,
        names,
        {
            "model": NEEDED,
            "messages": NEEDED,
            "cache_control": NEEDED,
            "output_config": NEEDED,
            "system": lambda: counted.ask(system="Be brief.")[0]["input_tokens"] != count,
            "thinking": lambda: counted.ask(thinking={"type": "disabled"})[0]["input_tokens"] == count,
            "tool_choice": lambda: counted.ask(tools=[tool], tool_choice={"type": "none"})[0]["input_tokens"] < counted.ask(tools=[tool])[0]["input_tokens"],
            "tools": lambda: counted.ask(tools=[tool])[0]["input_tokens"] > count + 20,
        },
    )
