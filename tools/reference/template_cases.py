#!/usr/bin/env python3
"""Render chat templates with transformers (jinja2) and write inputs and outputs as fixtures.

The templates of the folder `templates` follow the constructs and the prompt forms of the families they are named after; SmolLM2's
own is read from the GGUF file given with --smollm2. One JSON file for each template goes into --out (tests/fixtures/templates):

    template, bos_token, eos_token
    now     the moment that strftime_now sees, in local time
    cases   a list of {name, messages, add_generation_prompt, tools?, documents?, variables?} with either `output`, the rendered
            prompt, or `error`, the message of the exception that the template raises

Needs: transformers, gguf (see README.md in this folder).
"""

import argparse
import datetime
import json
from pathlib import Path

import gguf
import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

TEMPLATES = Path(__file__).parent / "templates"
NOW = datetime.datetime(2026, 7, 5, 15, 4, 5)

SPECIALS = {
    "smollm2": ("<|im_start|>", "<|im_end|>"), "chatml": ("<|endoftext|>", "<|im_end|>"), "gemma": ("<bos>", "<eos>"),
    "qwen3": ("<|endoftext|>", "<|im_end|>"), "llama3": ("<|begin_of_text|>", "<|eot_id|>"), "mistral": ("<s>", "</s>"),
    "constructs": ("<s>", "</s>"),
}  # fmt: skip

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a place <now> & \"soon\".", "parameters": {
        "type": "object", "properties": {
            "city": {"type": "string", "description": "City, e.g. Zürich or 東京"},
            "days": {"type": "integer", "minimum": 0, "default": 1},
            "unit": {"type": "string", "enum": ["°C", "°F"]},
        }, "required": ["city"]}}}  # fmt: skip
CLOCK = {"type": "function", "function": {"name": "clock", "description": "It's the time.", "parameters": {"type": "object", "properties": {}}}}


def call(name: str, arguments, identifier: str = "abcdefghi") -> dict:
    return {"role": "assistant", "content": "", "tool_calls": [
        {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}]}  # fmt: skip


SYSTEM = {"role": "system", "content": "You are terse."}
HELLO = {"role": "user", "content": "Hello, who are you?"}
ANSWER = {"role": "assistant", "content": "A program."}
MORE = {"role": "user", "content": "  Tell me more — 多谢 😀 <b>&amp;</b> \"quoted\" \\n\n\n"}
THOUGHT = {"role": "assistant", "content": "<think>\nHmm, 2 + 2.\n</think>\n\nFour."}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"temperature\": 21.5, \"sky\": \"clear\"}"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]}

CASES: list[dict] = [
    {"name": "one question", "messages": [HELLO]},
    {"name": "no generation prompt", "messages": [HELLO], "add_generation_prompt": False},
    {"name": "system", "messages": [SYSTEM, HELLO]},
    {"name": "several turns", "messages": [SYSTEM, HELLO, ANSWER, MORE]},
    {"name": "ends with an answer", "messages": [HELLO, ANSWER], "add_generation_prompt": False},
    {"name": "two questions in a row", "messages": [HELLO, MORE]},
    {"name": "unknown role", "messages": [HELLO, ANSWER, {"role": "narrator", "content": "Meanwhile"}]},
    {"name": "empty content", "messages": [{"role": "user", "content": ""}]},
    {"name": "special tokens in the content", "messages": [{"role": "user", "content": "<|im_end|> <eos> </s> <|eot_id|> {{ 7 * 7 }} {% raw %}"}]},
    {"name": "thinking, then a question", "messages": [HELLO, THOUGHT, MORE]},
    {"name": "thinking off", "messages": [HELLO], "variables": {"enable_thinking": False}},
    {"name": "thinking on", "messages": [HELLO], "variables": {"enable_thinking": True}},
    {"name": "tools", "messages": [HELLO], "tools": [WEATHER, CLOCK]},
    {"name": "tools and system", "messages": [SYSTEM, HELLO], "tools": [WEATHER]},
    {"name": "tool called", "messages": [HELLO, call("get_weather", {"city": "Zürich", "days": 2, "strict": True, "extra": None, "f": 1.0}), RESULT], "tools": [WEATHER]},
    {"name": "two results", "messages": [HELLO, call("get_weather", {"city": "Bern"}), RESULT, RESULT], "tools": [WEATHER, CLOCK]},
    {"name": "bad tool call id", "messages": [HELLO, call("clock", {}, "x"), RESULT], "tools": [CLOCK]},
    {"name": "two calls at once", "messages": [HELLO, {"role": "assistant", "content": "", "tool_calls": call("clock", {})["tool_calls"] * 2}], "tools": [CLOCK]},
    {"name": "a date given", "messages": [HELLO], "variables": {"date_string": "1 Jan 2000"}},
    {"name": "parts", "messages": [PARTS]},
]  # fmt: skip
CONSTRUCT_CASES = [
    {"name": "documents", "messages": [SYSTEM, HELLO, ANSWER, MORE], "documents": [
        {"title": "the first one", "text": "A text that is longer than that."}, {"title": "short", "text": "Short."}]},
    {"name": "settings", "messages": [SYSTEM, HELLO, {"role": "user", "content": None}],
     "variables": {"skip_system": True, "settings": {"z": [1, 2.5, {}], "a": "é", "number": 9, "empty": []}}},
    {"name": "values printed as Python does", "messages": [HELLO], "variables": {"show_values": True}},
    {"name": "long", "messages": [HELLO, {"role": "assistant", "content": "\tone\n\ttwo\n"}] * 5},
]  # fmt: skip


class FixedClock(datetime.datetime):
    """`datetime` whose now() stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def render(tokenizer: PreTrainedTokenizerFast, case: dict) -> dict:
    """The case with its output or its error."""
    case = {"add_generation_prompt": True} | case
    try:
        output = tokenizer.apply_chat_template(
            case["messages"], tools=case.get("tools"), documents=case.get("documents"), tokenize=False,
            add_generation_prompt=case["add_generation_prompt"], **case.get("variables", {}))  # fmt: skip
        return case | {"output": output}
    except jinja2.exceptions.TemplateError as error:
        return case | {"error": str(error)}
    except TypeError as error:  # such as a string plus a list; the wording is Python's own
        return case | {"error": f"TypeError: {error}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", type=Path, help="a SmolLM2 GGUF file, for its own template")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    chat_template_utils.datetime = FixedClock

    templates = {path.stem: path.read_text("utf-8") for path in sorted(TEMPLATES.glob("*.jinja"))}
    if args.smollm2:
        templates["smollm2"] = gguf.GGUFReader(args.smollm2).fields["tokenizer.chat_template"].contents()
    for name, template in templates.items():
        bos, eos = SPECIALS[name]
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token=bos, eos_token=eos)
        tokenizer.chat_template = template
        cases = CASES + (CONSTRUCT_CASES if name == "constructs" else [])
        fixture = {"template": template, "bos_token": bos, "eos_token": eos, "now": NOW.isoformat(),
                   "cases": [render(tokenizer, case) for case in cases]}  # fmt: skip
        path = args.out / f"{name}.json"
        path.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", "utf-8")
        print(f"{path.name}: {len(cases)} cases, {sum('error' in c for c in fixture['cases'])} of them errors")


if __name__ == "__main__":
    main()
