"""The same as `parameters_client.py` for Gemini's and Ollama's libraries."""

import json

import ollama._types as ollama
from google.genai import types as google

from parameters_client import HELLO, NEEDED, PERSON, SINGING, WEATHER, Dialect, check, post
from running_server import MODEL

CONTENTS = [{"role": "user", "parts": [{"text": "Say hello."}]}]
# Fields of the library's configuration that are no part of `generationConfig` on the wire.
OUTSIDE = ("cached_content", "labels", "model_armor_config", "safety_settings", "service_tier", "store", "system_instruction", "tool_config", "tools")
# Fields that only tell the library what to do; `continuation_token` goes into the contents.
GOOGLES_OWN = ("automatic_function_calling", "http_options", "should_return_http_response", "automatic_continuation", "continuation_token")


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_gemini():
    path = f"/v1beta/models/{MODEL}:generateContent"
    body = {"contents": CONTENTS, "generationConfig": {"maxOutputTokens": 12, "temperature": 0}}
    inside = Dialect(path, body, ("generationConfig",), camel)
    outside = Dialect(path, body, (), camel)
    tool = {"functionDeclarations": [{"name": "weather", "parametersJsonSchema": WEATHER}]}

    def candidate(dialect=inside, **fields):
        return dialect.ask(**fields)[0]["candidates"][0]

    def text(dialect=inside, **fields):
        return candidate(dialect, **fields)["content"]["parts"][0]["text"]

    def prompt(**fields):
        return outside.ask(**fields)[0]["usageMetadata"]["promptTokenCount"]

    def made(**fields):
        return inside.ask(**fields)[0]["usageMetadata"]["candidatesTokenCount"]

    plain = text()
    singing = {"contents": [{"role": "user", "parts": [{"text": SINGING}]}], "generationConfig": {"maxOutputTokens": 40, "temperature": 0}}
    repeated = Dialect(path, singing, ("generationConfig",), camel)
    as_json = {"response_mime_type": "application/json", "max_output_tokens": 60}
    schema = {"type": "OBJECT", "properties": {"age": {"type": "INTEGER", "minimum": 0, "maximum": 9}}, "required": ["age"]}
    inner = (set(google.GenerateContentConfig.model_fields) | set(google.GenerationConfig.model_fields)) - set(OUTSIDE)
    check(
        inside,
        inner,
        {
            "candidate_count": lambda: len(inside.ask(candidate_count=2)[0]["candidates"]) == 2,
            "frequency_penalty": lambda: text(repeated, frequency_penalty=1.9) != text(repeated),
            "presence_penalty": lambda: text(repeated, presence_penalty=1.9) != text(repeated),
            "logprobs": lambda: len(candidate(response_logprobs=True, logprobs=2)["logprobsResult"]["topCandidates"][0]["candidates"]) == 2,
            "response_logprobs": lambda: candidate(response_logprobs=True)["logprobsResult"]["chosenCandidates"],
            "max_output_tokens": lambda: made(max_output_tokens=2) == 2,
            "response_mime_type": lambda: isinstance(json.loads(text(**as_json | {"response_schema": schema})), dict),
            "response_schema": lambda: set(json.loads(text(**as_json, response_schema=schema))) == {"age"},
            "response_json_schema": lambda: set(json.loads(text(**as_json, response_json_schema=PERSON))) == {"age"},
            "response_modalities": lambda: text(response_modalities=["TEXT"]) == plain
            and post(path, inside.with_(response_modalities=["IMAGE"]))[0] == 400,
            "seed": lambda: text(temperature=1.5, seed=1) == text(temperature=1.5, seed=1) != text(temperature=1.5, seed=2),
            "stop_sequences": lambda: plain[2:4] not in text(stop_sequences=[plain[2:4]]),
            "temperature": lambda: len({text(temperature=2, seed=n) for n in range(4)}) > 1,
            "thinking_config": lambda: "does not think" in post(path, inside.with_(thinking_config={"thinkingBudget": 100}))[1],
            "top_k": lambda: len({text(temperature=2, seed=n, top_k=1) for n in range(4)}) == 1,
            "top_p": lambda: len({text(temperature=2, seed=n, top_p=0.0001) for n in range(4)}) == 1,
        },
        clients_own=GOOGLES_OWN,
    )
    forced = {"functionCallingConfig": {"mode": "ANY"}}
    check(
        outside,
        set(OUTSIDE),
        {
            "system_instruction": lambda: prompt(system_instruction={"parts": [{"text": "Be very brief indeed."}]}) != prompt(),
            "tools": lambda: prompt(tools=[tool]) > prompt() + 20,
            "tool_config": lambda: "functionCall" in json.dumps(
                outside.ask(tools=[tool], tool_config=forced, generation_config={"maxOutputTokens": 200})[0]
            ),
        },
    )
    calling = Dialect(path, body | {"tools": [tool]}, ("toolConfig", "functionCallingConfig"), camel)
    check(
        calling,
        set(google.FunctionCallingConfig.model_fields),
        {
            "mode": NEEDED,
            "allowed_function_names": lambda: post(path, calling.with_(mode="ANY", allowed_function_names=["other"]))[0] == 400,
        },
    )
    check(Dialect(path, body | {"tools": [tool]}, ("toolConfig",), camel), set(google.ToolConfig.model_fields), {"function_calling_config": NEEDED})
    thinking = Dialect(path, body, ("generationConfig", "thinkingConfig"), camel)
    asked = lambda **fields: post(path, thinking.with_(**fields))  # noqa: E731
    check(
        thinking,
        set(google.ThinkingConfig.model_fields),
        {
            # A model that thinks is asked in the tests of the server.
            "include_thoughts": lambda: asked(include_thoughts=True)[0] == 200,
            "thinking_budget": lambda: "does not think" in asked(thinking_budget=5)[1] and asked(thinking_budget=0)[0] == 200,
            "thinking_level": lambda: "does not think" in asked(thinking_level="HIGH")[1],
        },
    )


def test_ollama():
    usual = {"model": MODEL, "stream": False, "options": {"num_predict": 12, "temperature": 0}}
    chat, generate = Dialect("/api/chat", usual | {"messages": HELLO}), Dialect("/api/generate", usual | {"prompt": "Say hello."})
    tool = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}

    def shared(dialect):
        def text(**fields):
            answer = dialect.ask(**fields)[0]
            return answer["response"] if "response" in answer else answer["message"]["content"]

        return {
            "model": NEEDED,
            "options": NEEDED,  # looked at one by one below
            "format": lambda: set(json.loads(text(format=PERSON, options={"num_predict": 60}))) == {"age"},
            "keep_alive": lambda: dialect.ask(keep_alive="10m")[0]["done"] and post(dialect.path, dialect.with_(keep_alive="x"))[0] == 400,
            "logprobs": lambda: dialect.ask(logprobs=True)[0]["logprobs"],
            "top_logprobs": lambda: len(dialect.ask(logprobs=True, top_logprobs=2)[0]["logprobs"][0]["top_logprobs"]) == 2,
            "stream": lambda: post(dialect.path, dialect.with_(stream=True))[1].count("\n") > 3,
            "think": lambda: "think" in post(dialect.path, dialect.with_(think=True))[1] and post(dialect.path, dialect.with_(think=False))[0] == 200,
        }

    prompt = lambda dialect, **fields: dialect.ask(**fields)[0]["prompt_eval_count"]  # noqa: E731
    more = {"messages": NEEDED, "tools": lambda: prompt(chat, tools=[tool]) > prompt(chat) + 20}
    check(chat, set(ollama.ChatRequest.model_fields), shared(chat) | more)
    more = {
        "prompt": NEEDED,
        "raw": lambda: prompt(generate, raw=True) < prompt(generate),
        "system": lambda: prompt(generate, system="Be very brief indeed.") != prompt(generate),
        "suffix": lambda: "suffix" in post(generate.path, generate.with_(suffix="x"))[1],
    }
    check(generate, set(ollama.GenerateRequest.model_fields), shared(generate) | more)


def test_ollama_options():
    body = {"model": MODEL, "stream": False, "raw": True, "prompt": "no no no no no no no no", "options": {"num_predict": 12, "temperature": 0, "seed": 1}}
    dialect = Dialect("/api/generate", body, ("options",))

    def text(**options):
        return dialect.ask(**options)[0]["response"]

    def drawn(**options):
        return len({text(temperature=2, seed=n, **options) for n in range(4)})

    plain = text()
    check(
        dialect,
        set(ollama.Options.model_fields),
        {
            "frequency_penalty": lambda: text(frequency_penalty=2) != plain,
            "presence_penalty": lambda: text(presence_penalty=2, num_predict=40, repeat_last_n=64) != text(num_predict=40),
            "num_ctx": lambda: post(dialect.path, dialect.with_(num_ctx=10_000_000))[0] == 400 and text(num_ctx=2048) == plain,
            "num_predict": lambda: dialect.ask(num_predict=3)[0]["eval_count"] == 3,
            "repeat_penalty": lambda: text(repeat_penalty=1.9) != text(repeat_penalty=1.0),
            "repeat_last_n": lambda: text(repeat_penalty=1.9, repeat_last_n=0) == text(repeat_penalty=1.0) != text(repeat_penalty=1.9, repeat_last_n=-1),
            "seed": lambda: text(temperature=1.5) == text(temperature=1.5) != text(temperature=1.5, seed=2),
            "stop": lambda: plain[2:4] not in text(stop=[plain[2:4]]),
            "temperature": lambda: drawn() > 1,
            "top_k": lambda: drawn(top_k=1) == 1,
            "top_p": lambda: drawn(top_p=0.0001) == 1,
            "typical_p": lambda: text(temperature=2, typical_p=0.01) != text(temperature=2),
        },
        off={"tfs_z": 1},
    )
    for name, off, on in [("mirostat", 0, 1), ("tfs_z", 1.0, 0.5)]:
        assert post(dialect.path, dialect.with_(**{name: off}))[0] == 200
        status, said, _ = post(dialect.path, dialect.with_(**{name: on}))
        assert status == 400 and name in said
