#!/usr/bin/env python3
"""Reads the fixtures of providers' streams and answers with the types of their official Python packages, and names every field that those
do not know and every one that they miss.

    pip install anthropic openai google-genai mistralai cohere groq together runwayml
    python tools/reference/provider_fixtures.py

A field that a package does not know may still be what its provider sends: packages lag behind and leave room for more.
"""

import json
import sys
import typing
from importlib.metadata import version
from pathlib import Path

import pydantic

FIXTURES = Path(__file__).parents[2] / "tests/fixtures/providers"


def events(path):
    """The data of a stream's events, or the one answer."""
    text = path.read_text()
    if path.suffix == ".json":
        return [json.loads(text)]
    data = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in data if line and line != "[DONE]"]


def unknown(value, path=""):
    """The paths of what a package read and did not know."""
    if isinstance(value, pydantic.BaseModel):
        extra = value.__pydantic_extra__ or {}
        fields = [(name, getattr(value, name, None)) for name in type(value).model_fields]
        return [f"{path}.{name}" for name in extra] + [
            found for name, field in fields for found in unknown(field, f"{path}.{name}")
        ]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in unknown(item, f"{path}[]")]
    return []


def member(kind, event):
    """Of a union the one whose `type`, or `status`, this is; the type itself where it is none."""
    args = typing.get_args(kind)
    members = typing.get_args(args[0]) if args and typing.get_args(args[0]) else args
    key = next((key for key in ("type", "status") if key in event), None)
    if key is None or not members:
        return kind
    of = (m for m in members if event[key] in typing.get_args(m.model_fields[key].annotation))
    return next(of, None)


def read(kind, event):
    """What is odd about an event to a type."""
    kind = member(kind, event)
    if kind is None:
        return [f"nothing of this kind: {event.get('type', event.get('status'))}"]
    try:
        return sorted(set(unknown(pydantic.TypeAdapter(kind).validate_python(event))))
    except pydantic.ValidationError as error:
        return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:6]]


def kinds():
    from anthropic.types import RawMessageStreamEvent
    from google.genai.types import GenerateContentResponse
    from groq.types.audio import Transcription as GroqTranscription
    from groq.types.chat import ChatCompletionChunk as GroqChunk
    from mistralai.client.models import CompletionChunk, EmbeddingResponse, TranscriptionResponse
    from openai.types import CreateEmbeddingResponse, ImageGenStreamEvent, ImagesResponse, Video
    from openai.types.audio import Transcription, TranscriptionVerbose
    from openai.types.chat import ChatCompletionChunk
    from openai.types.responses import ResponseStreamEvent
    from cohere.types import EmbedByTypeResponse
    from runwayml.types import TaskRetrieveResponse
    from together.types import Embedding as TogetherEmbedding, ImageFile
    from together.types.chat import ChatCompletionChunk as TogetherChunk

    return [
        ("anthropic", "anthropic_*.sse", RawMessageStreamEvent),
        ("google-genai", "gemini_*.sse", GenerateContentResponse),
        ("google-genai", "gemini_image*.json", GenerateContentResponse),
        ("openai", "openai_responses.sse", ResponseStreamEvent),
        ("openai", "openai_tools.sse", ChatCompletionChunk),
        ("openai", "openai_filtered.sse", ChatCompletionChunk),
        ("openai", "openai_transcription.json", Transcription),
        ("openai", "openai_transcription_languages.json", Transcription),
        ("openai", "openai_transcription_verbose.json", TranscriptionVerbose),
        ("openai", "openai_embeddings.json", CreateEmbeddingResponse),
        ("openai", "openai_images.json", ImagesResponse),
        ("openai", "openai_images.sse", ImageGenStreamEvent),
        ("openai", "openai_video_*.json", Video),
        ("openai", "azure_filters.sse", ChatCompletionChunk),
        ("openai", "deepseek_reasoner.sse", ChatCompletionChunk),
        ("openai", "openrouter_*.sse", ChatCompletionChunk),
        ("openai", "xai_reasoning.sse", ChatCompletionChunk),
        ("groq", "groq_reasoning.sse", GroqChunk),
        ("groq", "groq_transcription.json", GroqTranscription),
        ("mistralai", "mistral_thinking.sse", CompletionChunk),
        ("mistralai", "mistral_transcription.json", TranscriptionResponse),
        ("mistralai", "mistral_embeddings.json", EmbeddingResponse),
        ("cohere", "cohere_embeddings.json", EmbedByTypeResponse),
        ("together", "together_reasoning.sse", TogetherChunk),
        ("together", "openai_embeddings.json", TogetherEmbedding),
        ("together", "together_images.json", ImageFile),
        ("runwayml", "runway_[!c]*.json", TaskRetrieveResponse),
    ]


def main():
    odd = 0
    for package, pattern, kind in kinds():
        for path in sorted(FIXTURES.glob(pattern)):
            found = sorted({what for event in events(path) for what in read(kind, event)})
            odd += bool(found)
            print(f"{path.name}: {package} {version(package)}:", "; ".join(found) or "every field is known")
    sys.exit(odd > 0)


if __name__ == "__main__":
    main()
