#!/usr/bin/env python3
"""Compares the prices in crates/remote/providers.toml with the table that the package `litellm` carries, which names the providers' own
pages as its sources. Prints what differs and what only one of them has, and fails if anything differs.

    pip install litellm && python tools/reference/prices.py

Prices that the table does not have (of voices by the character, and of models that their providers have ended) are only named.
"""

import json
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

LIST = Path(__file__).parents[2] / "crates/remote/providers.toml"
# What the table calls a provider before the names of its models.
PREFIXES = {"google": "gemini/", "openai": "", "anthropic": "", "cohere": "", "together": "together_ai/", "bfl": "black_forest_labs/", "runway": "runwayml/"}
RESOLUTIONS = {"1080p": (1920, 1080), "4k": (3840, 2160)}


def table():
    """Prices of litellm's table, by name, and the version of the package."""
    package = distribution("litellm")
    file = next(f for f in package.files if f.name == "model_prices_and_context_window_backup.json")
    return json.loads(package.locate_file(file).read_text()), package.version


def per_million(entry, key):
    return entry[key] * 1e6 if entry.get(key) else None


def theirs(entry):
    """An entry of the table as ours are."""
    out = {
        "input": per_million(entry, "input_cost_per_token"),
        "cached": per_million(entry, "cache_read_input_token_cost"),
        "cache_write": per_million(entry, "cache_creation_input_token_cost"),
        "output": per_million(entry, "output_cost_per_token"),
    }
    # A minute is told where it is what counts.
    if entry.get("mode") == "audio_transcription" and entry.get("input_cost_per_second"):
        out = {"minute": entry["input_cost_per_second"] * 60}
    # Films are paid for by the second; a resolution is both of its shapes.
    if entry.get("mode") == "video_generation" or any(k.startswith("output_cost_per_video") for k in entry):
        out = {"second": entry.get("output_cost_per_second") or entry.get("output_cost_per_video_per_second")}
        for name, (long, short) in RESOLUTIONS.items():
            if dearer := entry.get(f"output_cost_per_second_{name}"):
                out.setdefault("second_of", {}).update({f"{long}x{short}": dearer, f"{short}x{long}": dearer})
    above = [k for k in entry if k.startswith("input_cost_per_token_above_") and k.endswith("k_tokens")]
    if above:
        limit = above[0].removeprefix("input_cost_per_token_above_")
        long = {
            "over": int(limit.removesuffix("k_tokens")) * 1000,
            "input": per_million(entry, above[0]),
            "cached": per_million(entry, f"cache_read_input_token_cost_above_{limit}"),
            "cache_write": per_million(entry, f"cache_creation_input_token_cost_above_{limit}"),
            "output": per_million(entry, f"output_cost_per_token_above_{limit}"),
        }
        out["long"] = {k: v for k, v in long.items() if v}
    return {k: v for k, v in out.items() if v}


def ours(price, heard):
    # What costs nothing is not named there: the answer of a model that embeds.
    price = {k: v for k, v in price.items() if k != "dated" and v}
    if "second" in price:
        # The table has no price of a size that it names no resolution for.
        return {k: v for k, v in price.items() if k in ("second", "second_of")}
    return {"minute": price["minute"]} if heard else price


def pictures_there(known, entry, name):
    """Prices of pictures: of tokens, with what a picture of a quality and size comes to, or of a picture."""
    if not entry.get("output_cost_per_image_token"):
        return {"each": entry.get("output_cost_per_image", entry.get("input_cost_per_image"))}
    out = {
        "input": per_million(entry, "input_cost_per_token"),
        "output": per_million(entry, "output_cost_per_image_token"),
        "pictures": per_million(entry, "input_cost_per_image_token"),
        "text": per_million(entry, "output_cost_per_token"),
    }
    for quality in ("low", "medium", "high"):
        for size in ("1024x1024", "1024x1536", "1536x1024"):
            row = known.get(f"{quality}/{size.replace('x', '-x-')}/{name}")
            if row:
                out[f"{quality} {size}"] = row["input_cost_per_image"]
    return {k: v for k, v in out.items() if v}


def pictures_here(price):
    """The same of ours. Beside tokens `each` is a bound of our own."""
    more = price["pictures"]
    if not price["output"]:
        return {"each": more["each"]}
    out = {"input": price["input"], "output": price["output"], "pictures": more.get("input"), "text": more.get("text")}
    out |= {f"{row['quality']} {row['size']}": row["each"] for row in more.get("by", [])}
    return {k: v for k, v in out.items() if v}


def differs(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() != b.keys() or any(differs(a[k], b[k]) for k in a)
    return abs(a - b) > 1e-3 * max(abs(a), abs(b))


def main():
    known, version = table()
    wrong, same, absent = [], 0, []
    for model in tomllib.loads(LIST.read_text())["model"]:
        provider, name = model["provider"], model.get("id", model["name"])
        prefix = PREFIXES.get(provider, f"{provider}/")
        entry = known.get(prefix + name) or known.get(name) or known.get(f"{provider}/{name}")
        if entry is None or "price" not in model or "speak" in model.get("capabilities", []):
            absent.append(model["name"])
            continue
        can = model.get("capabilities", [])
        here, there = ours(model["price"], "transcribe" in can), theirs(entry)
        if "imagine" in can:
            here, there = pictures_here(model["price"]), pictures_there(known, entry, name)
            # The table lacks some qualities.
            here = {k: v for k, v in here.items() if k in there or " " not in k}
        if large := known.get(f"{prefix}{name}-high-res"):
            second = large["output_cost_per_video_per_second"]
            there["second_of"] = {"1792x1024": second, "1024x1792": second}
        if sizes := here.get("second_of"):
            here["second_of"] = {k: v for k, v in sizes.items() if k in there.get("second_of", {})}
        if differs(here, there):
            wrong.append(f"{model['name']}: {here} here, {there} there")
        else:
            same += 1
    print(f"{same} prices are those of litellm {version}; it has none for {', '.join(absent)}")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
