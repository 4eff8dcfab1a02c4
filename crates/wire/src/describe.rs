//! The bodies of requests as JSON Schemas, for the OpenAPI document. They are made by watching the readers read: a field that a
//! reader asks for is in the schema, with the type and the bounds it is asked for with. By hand are only the samples that lead
//! a reader through all its branches, and the shapes of the fields that it takes apart itself.

use crate::trace::{self, Asked};
use crate::{anthropic, elevenlabs, gemini, ollama, openai};
use parasol_core::Result;
use serde_json::{Map, Value, json};

/// A kind of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/responses` and `/v1/responses/input_tokens`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/images/generations`
    Images,
    /// `POST /v1/text-to-speech/{voice}` and the same with `/stream`
    TextToSpeech,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    MessagesCount,
    /// `POST /v1beta/models/…:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST /v1beta/models/…:countTokens`
    CountTokens,
    /// `POST /v1beta/models/…:embedContent`
    EmbedContent,
    /// `POST /v1beta/models/…:batchEmbedContents`
    BatchEmbedContents,
    /// `POST /api/generate`
    OllamaGenerate,
    /// `POST /api/chat`
    OllamaChat,
    /// `POST /api/embed`
    OllamaEmbed,
    /// `POST /api/embeddings`
    OllamaEmbeddings,
    /// `POST /api/show`, `/api/pull`, `DELETE /api/delete`
    OllamaNamed,
}

/// Fields that readers take apart themselves, by name, with what they may be.
const BY_HAND: &[(&str, &str)] = &[
    ("stop", r#"{"anyOf":[{"type":"string"},{"type":"array","maxItems":16,"items":{"type":"string"}}]}"#),
    ("prompt", r#"{"anyOf":[{"type":"string"},{"type":"array","minItems":1,"items":{"type":"string"}}]}"#),
    ("input", r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"object"}}]}"#),
    ("system", r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"object"}}]}"#),
    ("tool_choice", r#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#),
    ("think", r#"{"anyOf":[{"type":"boolean"},{"type":"string"}]}"#),
    (
        "voice",
        r#"{"anyOf":[{"type":"string"},{"type":"object","required":["id"],"properties":{"id":{"type":"string"}},"additionalProperties":false}]}"#,
    ),
    ("keep_alive", r#"{"anyOf":[{"type":"string"},{"type":"number"}]}"#),
    ("format", r#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#),
];

/// Tokens of an answer to an example.
const SHORT: u32 = 16;

impl Body {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Speech,
        Self::Images,
        Self::TextToSpeech,
        Self::Messages,
        Self::MessagesCount,
        Self::GenerateContent,
        Self::CountTokens,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::OllamaGenerate,
        Self::OllamaChat,
        Self::OllamaEmbed,
        Self::OllamaEmbeddings,
        Self::OllamaNamed,
    ];

    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "ChatCompletionRequest",
            Self::Completions => "CompletionRequest",
            Self::Responses => "ResponseRequest",
            Self::Embeddings => "EmbeddingsRequest",
            Self::Speech => "SpeechRequest",
            Self::Images => "ImagesRequest",
            Self::TextToSpeech => "TextToSpeechRequest",
            Self::Messages => "MessagesRequest",
            Self::MessagesCount => "MessagesCountRequest",
            Self::GenerateContent => "GenerateContentRequest",
            Self::CountTokens => "CountTokensRequest",
            Self::EmbedContent => "EmbedContentRequest",
            Self::BatchEmbedContents => "BatchEmbedContentsRequest",
            Self::OllamaGenerate => "OllamaGenerateRequest",
            Self::OllamaChat => "OllamaChatRequest",
            Self::OllamaEmbed => "OllamaEmbedRequest",
            Self::OllamaEmbeddings => "OllamaEmbeddingsRequest",
            Self::OllamaNamed => "OllamaModelRequest",
        }
    }

    fn read(self, body: Value) -> Result<()> {
        match self {
            Self::ChatCompletions => openai::chat::ChatCall::read(body).map(drop),
            Self::Completions => openai::completions::CompletionCall::read(body).map(drop),
            Self::Responses => openai::responses::ResponseCall::read(body).map(drop),
            Self::Messages => anthropic::MessagesRequest::parse(body).map(drop),
            Self::MessagesCount => anthropic::MessagesRequest::parse_count(body).map(drop),
            Self::GenerateContent => gemini::GenerateRequest::parse("m", body).map(drop),
            Self::CountTokens => gemini::GenerateRequest::parse_count("m", body).map(drop),
            Self::Embeddings => openai::embeddings::EmbeddingsCall::read(body).map(drop),
            Self::EmbedContent => gemini::embedding::EmbedCall::one("m", body).map(drop),
            Self::BatchEmbedContents => gemini::embedding::EmbedCall::batch("m", body).map(drop),
            Self::Speech => openai::speech::SpeechCall::read(body).map(drop),
            Self::Images => openai::images::ImagesCall::read(body).map(drop),
            Self::TextToSpeech => elevenlabs::TextToSpeech::read(body).map(drop),
            Self::OllamaGenerate => ollama::request::Call::generate(body).map(drop),
            Self::OllamaChat => ollama::request::Call::chat(body).map(drop),
            Self::OllamaEmbed => ollama::embedding::EmbedCall::embed(body).map(drop),
            Self::OllamaEmbeddings => ollama::embedding::EmbedCall::embeddings(body).map(drop),
            Self::OllamaNamed => ollama::request::Named::read(body).map(drop),
        }
    }

    /// Right bodies; the first is the smallest, all together lead the reader everywhere.
    fn samples(self) -> Vec<Value> {
        let messages = json!([{ "role": "user", "content": "Say hello." }]);
        let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": "Say hello." }] }]);
        let contents = json!([{ "role": "user", "parts": [{ "text": "Say hello." }] }]);
        let embed = json!({ "content": contents[0] });
        let configured = json!({ "content": contents[0], "embedContentConfig": { "autoTruncate": true } });
        match self {
            Self::ChatCompletions => vec![
                json!({ "model": "m", "messages": messages }),
                json!({ "model": "m", "messages": parts, "max_tokens": 1, "stream": true,
                    "stream_options": { "include_usage": true }, "response_format": { "type": "json_object" },
                    "tools": [{ "type": "function", "function": { "name": "f", "parameters": {} } }] }),
            ],
            Self::Completions => vec![json!({ "model": "m", "prompt": "Once" })],
            Self::Responses => vec![
                json!({ "model": "m", "input": "Say hello." }),
                json!({ "model": "m", "input": messages, "text": { "verbosity": "medium" },
                    "reasoning": { "effort": "none" }, "stream_options": { "include_obfuscation": false } }),
            ],
            Self::Embeddings => vec![json!({ "model": "m", "input": "Say hello." })],
            Self::Speech => vec![json!({ "model": "m", "input": "Say hello." })],
            Self::Images => vec![json!({ "model": "m", "prompt": "A lighthouse" })],
            Self::TextToSpeech => vec![
                json!({ "text": "Say hello." }),
                json!({ "text": "Say hello.", "voice_settings": { "speed": 1 } }),
            ],
            Self::Messages | Self::MessagesCount => {
                let mut least = json!({ "model": "m", "messages": messages });
                let mut more = json!({ "model": "m", "messages": parts, "system": "Be short.",
                    "thinking": { "type": "disabled" }, "tools": [{ "name": "f", "input_schema": {} }] });
                if self == Self::Messages {
                    least["max_tokens"] = json!(4);
                    more["max_tokens"] = json!(4);
                }
                vec![least, more]
            }
            Self::GenerateContent => vec![
                json!({ "contents": contents }),
                json!({ "contents": contents, "systemInstruction": { "parts": [{ "text": "Be short." }] },
                    "generationConfig": { "maxOutputTokens": 4, "thinkingConfig": { "thinkingBudget": 0 } } }),
            ],
            Self::CountTokens => vec![
                json!({ "contents": contents }),
                json!({ "generateContentRequest": { "contents": contents } }),
            ],
            Self::OllamaGenerate => vec![
                json!({ "model": "m" }),
                json!({ "model": "m", "prompt": "Say hello.", "system": "Be short.", "options": { "num_predict": 4 } }),
                json!({ "model": "m", "prompt": "Once", "raw": true }),
                json!({ "model": "m", "prompt": "Once", "suffix": "end." }),
            ],
            Self::OllamaChat => vec![
                json!({ "model": "m" }),
                json!({ "model": "m", "messages": messages, "options": { "num_predict": 4 } }),
            ],
            Self::EmbedContent => vec![embed, configured],
            Self::BatchEmbedContents => {
                vec![json!({ "requests": [embed] }), json!({ "requests": [configured] })]
            }
            Self::OllamaEmbed => vec![
                json!({ "model": "m", "input": "Say hello." }),
                json!({ "model": "m", "input": "Say hello.", "options": { "num_ctx": 64 } }),
            ],
            Self::OllamaEmbeddings => vec![json!({ "model": "m", "prompt": "Say hello." })],
            Self::OllamaNamed => vec![json!({ "model": "m" })],
        }
    }

    /// A body that a server answers, for documentation; `model` is put where the body names one.
    pub fn example(self, model: &str) -> Value {
        let mut body = self.samples().into_iter().next().unwrap_or_default();
        if let Some(name) = body.get_mut("model") {
            *name = model.into();
        }
        let limit = match self {
            Self::ChatCompletions => "max_completion_tokens",
            Self::Completions => "max_tokens",
            Self::Responses => "max_output_tokens",
            Self::GenerateContent => {
                return with(body, "generationConfig", json!({ "maxOutputTokens": SHORT }));
            }
            Self::OllamaChat | Self::OllamaGenerate => {
                return with(body, "options", json!({ "num_predict": SHORT }));
            }
            Self::Messages
            | Self::MessagesCount
            | Self::CountTokens
            | Self::OllamaNamed
            | Self::Embeddings
            | Self::EmbedContent
            | Self::BatchEmbedContents
            | Self::OllamaEmbed
            | Self::OllamaEmbeddings
            | Self::Speech
            | Self::Images
            | Self::TextToSpeech => return body,
        };
        with(body, limit, json!(SHORT))
    }

    /// The JSON Schema of the body.
    pub fn schema(self) -> Value {
        let samples = self.samples();
        let mut root = json!({ "type": "object" });
        let watched = samples.iter().flat_map(|sample| trace::watch(|| self.read(sample.clone())).1);
        let asked: Vec<Asked> = watched.collect();
        let refused = |path: &str| asked.iter().any(|a| a.path == path && !a.accepted);
        for field in asked.iter().filter(|field| !refused(&field.path)) {
            place(&mut root, &field.path, &field.schema);
        }
        let least = samples.first().and_then(Value::as_object).cloned().unwrap_or_default();
        let required: Vec<&String> = least.keys().filter(|name| self.requires(&least, name)).collect();
        if !required.is_empty() {
            root["required"] = json!(required);
        }
        root["additionalProperties"] = json!(false);
        root
    }

    /// Whether the smallest body is refused without a field.
    fn requires(self, least: &Map<String, Value>, name: &str) -> bool {
        let mut without = least.clone();
        without.shift_remove(name);
        self.read(Value::Object(without)).is_err()
    }
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    body
}

/// Puts the schema of a field where its path leads: numbers in it are places in a list.
fn place(root: &mut Value, path: &str, schema: &Value) {
    let mut at = root;
    for step in path.split('.') {
        let Some(object) = at.as_object_mut() else { return };
        at = match step.bytes().all(|b| b.is_ascii_digit()) {
            true => object.entry("items").or_insert_with(|| json!({})),
            false => {
                let fields = object.entry("properties").or_insert_with(|| json!({}));
                let Some(fields) = fields.as_object_mut() else { return };
                fields.entry(step.to_owned()).or_insert_with(|| json!({}))
            }
        };
    }
    let by_hand = BY_HAND.iter().find(|(name, _)| *name == path && *schema == json!({}));
    let by_hand: Option<Value> = by_hand.and_then(|(_, text)| serde_json::from_str(text).ok());
    if let (Some(at), Some(schema)) = (at.as_object_mut(), by_hand.as_ref().unwrap_or(schema).as_object()) {
        for (key, value) in schema {
            at.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The names of the fields of a body's schema.
    fn names(body: Body) -> Vec<String> {
        body.schema()["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_samples_are_right() {
        for body in Body::ALL {
            for sample in body.samples() {
                body.read(sample.clone()).unwrap_or_else(|e| panic!("{body:?}: {sample}: {e}"));
            }
            body.read(body.example("m")).unwrap_or_else(|e| panic!("{body:?}: {e}"));
        }
        assert!(BY_HAND.iter().all(|(_, text)| serde_json::from_str::<Value>(text).is_ok()));
    }

    #[test]
    fn what_the_document_names_the_reader_knows_and_no_more() {
        for body in Body::ALL {
            let unknown = |name: &str| {
                let mut sample = body.samples().remove(0);
                sample[name] = json!(1);
                body.read(sample).err().is_some_and(|e| e.message().contains("is not a parameter"))
            };
            for name in names(body) {
                assert!(!unknown(&name), "{body:?}: {name}");
            }
            assert!(unknown("no_such_field"), "{body:?}");
        }
    }

    #[test]
    fn types_bounds_and_need_come_from_the_reader() {
        let chat = Body::ChatCompletions.schema();
        let of = |path: &str| chat.pointer(path).cloned().unwrap_or_default();
        assert_eq!(chat["required"], json!(["model", "messages"]));
        assert_eq!(
            of("/properties/temperature"),
            json!({ "type": "number", "minimum": 0.0, "maximum": 2.0 })
        );
        assert_eq!(of("/properties/messages/items/properties/role/type"), "string");
        assert_eq!(of("/properties/stop/anyOf/0/type"), "string");
        assert_eq!(of("/properties/user/description"), "Accepted without effect.");
        assert!(chat.pointer("/properties/functions").is_none(), "it is refused");
        assert_eq!(Body::Messages.schema()["required"], json!(["model", "messages", "max_tokens"]));
        assert_eq!(Body::MessagesCount.schema()["required"], json!(["model", "messages"]));
        for (body, name) in [
            (Body::OllamaGenerate, "suffix"),
            (Body::OllamaGenerate, "raw"),
            (Body::GenerateContent, "generationConfig"),
            (Body::Messages, "top_k"),
            (Body::Completions, "echo"),
        ] {
            assert!(names(body).iter().any(|n| n == name), "{body:?} lacks {name}");
        }
    }
}
