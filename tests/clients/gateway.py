#!/usr/bin/env python3
"""The gateway against servers that others wrote: the LiteLLM proxy in front of a Parasol, asked in OpenAI's, Anthropic's and Gemini's
protocol; `llama-cpp-python`'s server; and the official client libraries through the gateway to the proxy.

    application → Parasol (the gateway) → LiteLLM proxy or llama-cpp-python → Parasol with a model

PARASOL_BIN is the server, PARASOL_MODEL a model that PARASOL_HOME has. PARASOL_LITELLM is the `litellm` command and
PARASOL_LLAMA_PYTHON an interpreter with `llama-cpp-python[server]`: what is missing is skipped, and that is said aloud. No
server but these is asked; nothing leaves this machine."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PARASOL = os.environ.get("PARASOL_BIN", "target/release/parasol")
MODEL = os.environ.get("PARASOL_MODEL", "smollm2")
LITELLM = os.environ.get("PARASOL_LITELLM")
LLAMA = os.environ.get("PARASOL_LLAMA_PYTHON")
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"enum": [1, 2, 3]}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
KEY = "sk-litellm-of-the-tests"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def process(command, port, path, log, **settings):
    """A server that answers at `path`, ended when the block is left."""
    loopback = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    with log.open("wb") as out:
        started = subprocess.Popen(command, env=os.environ | loopback | settings, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
                break
            if started.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[0]} does not start: {log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        started.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(20)
        started.kill()


def parasol(folder, name, home=None):
    port = free_port()
    command = [PARASOL, "serve", "--listen", f"127.0.0.1:{port}", "--log-level", "warn"]
    settings = {"PARASOL_HOME": str(home)} if home else {}
    return process(command, port, "/readyz", folder / f"{name}.log", **settings)


def litellm(folder, far):
    """The proxy, whose one model is the Parasol at `far`, by OpenAI's protocol."""
    port = free_port()
    entry = {"model_name": "house", "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"{far}/v1", "api_key": "none"}}
    config = {"model_list": [entry], "general_settings": {"master_key": KEY}, "litellm_settings": {"telemetry": False}}
    (folder / "litellm.yaml").write_text(json.dumps(config))
    command = [LITELLM, "--config", folder / "litellm.yaml", "--port", str(port), "--host", "127.0.0.1", "--telemetry", "False"]
    return process(command, port, "/health/liveliness", folder / "litellm.log", LITELLM_LOCAL_MODEL_COST_MAP="True")


def weights():
    told = json.loads(subprocess.run([PARASOL, "show", MODEL, "--json"], capture_output=True, check=True).stdout)
    return next(v for v in told.values() if isinstance(v, str) and v.endswith(".gguf"))


def llama(folder):
    port = free_port()
    flags = {"model": weights(), "model_alias": "house", "host": "127.0.0.1", "port": port, "n_ctx": 2048, "n_threads": 1}
    command = [LLAMA, "-m", "llama_cpp.server", *(str(w) for k, v in flags.items() for w in (f"--{k}", v))]
    return process(command, port, "/v1/models", folder / "llama.log")


def gateway(folder, name, entries):
    """A Parasol whose providers are `entries`: name, protocol, base URL, key."""
    home = folder / name
    home.mkdir()
    text = ""
    for entry, protocol, url, key in entries:
        text += f'[[provider]]\nname = "{entry}"\nprotocol = "{protocol}"\nurl = "{url}"\nkey_env = ["{entry.upper()}_KEY"]\n'
        text += f'[[model]]\nname = "by-{entry}"\nprovider = "{entry}"\nid = "house"\nmax_output = 512\n'
        text += 'price = { input = 1.0, output = 2.0, dated = "2025-11-27" }\n'
        os.environ[f"{entry.upper()}_KEY"] = key
    (home / "remote.toml").write_text(text)
    return parasol(folder, name + ".server", home)


def post(url, body, **headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def chat(url, model, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 32, "temperature": 0}
    return post(f"{url}/v1/chat/completions", body | more)


def check_chat(url, model):
    """A plain and a streamed answer, a schema, a forced tool, a wrong model: through the gateway in OpenAI's dialect."""
    done = []
    status, text = chat(url, model)
    whole = json.loads(text)
    assert status == 200 and whole["choices"][0]["message"]["content"], text
    assert whole["usage"]["completion_tokens"] > 0 and whole["usage"]["cost"] > 0, text
    done.append("plain, usage and cost")
    status, text = chat(url, model, stream=True)
    pieces = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    streamed = "".join(p["choices"][0]["delta"].get("content") or "" for p in pieces if p["choices"])
    # Quantised models depend a little on how much of the prompt was in the cache, so the words may differ.
    assert status == 200 and streamed, text
    done.append("streamed")
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    status, text = chat(url, model, response_format=form, max_tokens=100)
    if status == 200:
        person = json.loads(json.loads(text)["choices"][0]["message"]["content"])
        done.append("schema" if person.get("age") in (1, 2, 3) else f"schema NOT kept: {person}")
    else:
        done.append(f"schema refused ({status}): {text[:160]}")
    tools = [{"type": "function", "function": {"name": "note", "description": "Notes it", "parameters": PERSON}}]
    status, text = chat(url, model, tools=tools, tool_choice="required", max_tokens=100)
    if status == 200 and json.loads(text)["choices"][0]["message"].get("tool_calls"):
        call = json.loads(text)["choices"][0]["message"]["tool_calls"][0]["function"]
        assert call["name"] == "note" and json.loads(call["arguments"])["age"] in (1, 2, 3), text
        done.append("forced tool")
    else:
        done.append(f"forced tool NOT called ({status}): {text[:160]}")
    status, text = chat(url, model.replace("by-", "") + "/no-such-model")
    # llama-cpp-python's server answers to any name.
    assert status == 200 or "no-such-model" in text, (status, text)
    done.append(f"unknown model: {status}")
    return done


def clients(url, model):
    """The official libraries through the gateway."""
    done = []
    with contextlib.suppress(ImportError):
        import openai

        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        hello = [{"role": "user", "content": "Say hello."}]
        answer = client.chat.completions.create(model=model, messages=hello, max_tokens=16)
        assert answer.choices[0].message.content
        done.append("openai")
    with contextlib.suppress(ImportError):
        import anthropic

        client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        with client.messages.stream(model=model, max_tokens=16, messages=[{"role": "user", "content": "Say hello."}]) as stream:
            assert stream.get_final_message().content[0].text
        done.append("anthropic")
    with contextlib.suppress(ImportError):
        from google import genai

        client = genai.Client(api_key="none", http_options={"base_url": url})
        answer = client.models.generate_content(model=model, contents="Say hello.", config={"max_output_tokens": 16})
        assert answer.text
        done.append("google-genai")
    return done


def each(entries, check):
    """Checks every entry, and tells how many failed: `check` is given what stands in it and prints what it found."""
    failed = 0
    for entry in entries:
        try:
            check(*entry)
        except Exception as error:  # the others are to be seen, too
            failed += 1
            print(f"{entry[0]}: FAILED: {type(error).__name__}: {str(error)[:600]}")
    return failed


def usage(folder):
    """Prints what the gateway wrote down of what it passed on, which has to have cost something."""
    settings = os.environ | {"PARASOL_HOME": str(folder / "front")}
    used = subprocess.run([PARASOL, "usage", "--json"], env=settings, capture_output=True, check=True)
    total = json.loads(used.stdout)["total"]
    assert total["answers"] > 0 and total["cost_usd"] > 0, total
    print(f"usage: {total}")


def main():
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        far = stack.enter_context(parasol(folder, "far"))
        entries = []
        if LITELLM:
            proxy = stack.enter_context(litellm(folder, far))
            entries += [
                ("proxyopenai", "openai", f"{proxy}/v1", KEY),
                ("proxyresponses", "responses", f"{proxy}/v1", KEY),
                ("proxyanthropic", "anthropic", f"{proxy}/v1", KEY),
                ("proxygemini", "gemini", f"{proxy}/v1beta", KEY),
            ]
        else:
            print("skipped: the LiteLLM proxy (PARASOL_LITELLM names no command)")
        if LLAMA:
            entries.append(("llama", "openai", stack.enter_context(llama(folder)) + "/v1", "none"))
        else:
            print("skipped: llama-cpp-python's server (PARASOL_LLAMA_PYTHON names no interpreter)")
        front = stack.enter_context(gateway(folder, "front", entries))

        def check(entry, *_):
            print(f"{entry}: " + "; ".join(check_chat(front, f"by-{entry}")))
            print(f"{entry}, official clients: " + ", ".join(clients(front, f"by-{entry}")))

        failed = each(entries, check)
        if entries:
            usage(folder)
        raise SystemExit(failed)


if __name__ == "__main__":
    main()
