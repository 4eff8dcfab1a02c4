//! The operations that embed texts.

use super::routes::{Answer, Operation, post};
use parasol_wire::describe::Body;

/// Operations as in [`super::routes`].
pub(super) const OPERATIONS: &[Operation] = &[
    post(
        "/v1/embeddings",
        "openaiEmbed",
        "OpenAI",
        "Embed texts: a vector for each",
        Body::Embeddings,
        Answer::Object(&["object", "data", "model", "usage"]),
    ),
    post(
        "/v1beta/models/{model}:embedContent",
        "geminiEmbed",
        "Gemini",
        "Embed a text",
        Body::EmbedContent,
        Answer::Object(&["embedding"]),
    ),
    post(
        "/v1beta/models/{model}:batchEmbedContents",
        "geminiBatchEmbed",
        "Gemini",
        "Embed texts",
        Body::BatchEmbedContents,
        Answer::Object(&["embeddings"]),
    ),
    post(
        "/api/embed",
        "ollamaEmbed",
        "Ollama",
        "Embed texts",
        Body::OllamaEmbed,
        Answer::Object(&["model", "embeddings"]),
    ),
    post(
        "/api/embeddings",
        "ollamaEmbeddings",
        "Ollama",
        "Embed a text",
        Body::OllamaEmbeddings,
        Answer::Object(&["embedding"]),
    ),
];
