"""Embeddings by the official `openai`, `google-genai` and `ollama` libraries against a running server: PARASOL_URL is its base address,
PARASOL_MODEL the model."""

import math

import ollama
import openai
import pytest
from google import genai
from google.genai import types

from running_server import KEY, MODEL, URL, assert_idle

TEXTS = ["A cat lies on the mat.", "A kitten sleeps on the rug.", "The treaty was signed in 1648."]


@pytest.fixture(scope="module")
def ours():
    return openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


@pytest.fixture(scope="module")
def googles():
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))


@pytest.fixture(scope="module")
def ollamas():
    return ollama.Client(host=URL, headers={"Authorization": f"Bearer {KEY}"})


def near(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, abs_tol=1e-5) for x, y in zip(a, b))


def test_every_library_gets_the_same_vectors(ours, googles, ollamas):
    # The library asks for base64 by itself, and unpacks it.
    answer = ours.embeddings.create(model=MODEL, input=TEXTS)
    assert [item.index for item in answer.data] == [0, 1, 2] and answer.usage.prompt_tokens > 10
    vectors = [item.embedding for item in answer.data]
    assert all(abs(sum(x * x for x in v) - 1) < 1e-4 for v in vectors)
    plain = ours.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert all(near(a, b.embedding) for a, b in zip(vectors, plain.data))
    googled = googles.models.embed_content(model=MODEL, contents=TEXTS)
    assert all(near(a, b.values) for a, b in zip(vectors, googled.embeddings))
    ollamaed = ollamas.embed(model=MODEL, input=TEXTS)
    assert all(near(a, b) for a, b in zip(vectors, ollamaed.embeddings)) and ollamaed.prompt_eval_count > 10
    # Where activations are rounded to 8 bits, it matters in how many pieces texts come.
    alone = ollamas.embeddings(model=MODEL, prompt=TEXTS[0]).embedding
    assert sum(x * y for x, y in zip(vectors[0], alone)) > 0.999
    alike, apart = (sum(x * y for x, y in zip(vectors[0], v)) for v in vectors[1:])
    assert alike > apart


def test_vectors_can_be_shorter(ours, googles, ollamas):
    assert len(ours.embeddings.create(model=MODEL, input="x", dimensions=64).data[0].embedding) == 64
    config = types.EmbedContentConfig(output_dimensionality=64, task_type="RETRIEVAL_QUERY")
    assert len(googles.models.embed_content(model=MODEL, contents="x", config=config).embeddings[0].values) == 64
    assert len(ollamas.embed(model=MODEL, input="x", dimensions=64).embeddings[0]) == 64


def test_what_is_wrong_is_refused(ours, googles, ollamas):
    long = "word " * 20_000
    with pytest.raises(openai.BadRequestError, match="tokens"):
        ours.embeddings.create(model=MODEL, input=long)
    with pytest.raises(openai.NotFoundError):
        ours.embeddings.create(model="no-such-model", input="x")
    with pytest.raises(openai.BadRequestError, match="token ids"):
        ours.embeddings.create(model=MODEL, input=[[1, 2, 3]])
    with pytest.raises(genai.errors.ClientError, match="exceeds the maximum number of tokens"):
        googles.models.embed_content(model=MODEL, contents=long)
    with pytest.raises(ollama.ResponseError, match="tokens"):
        ollamas.embed(model=MODEL, input=long)
    assert ollamas.embed(model=MODEL, input=long, truncate=True).prompt_eval_count > 1000
    assert_idle()
