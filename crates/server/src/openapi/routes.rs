//! The operations of the document, one line of meaning each. What a protocol has and this server does not answers with an error
//! of that protocol and is not listed.

use parasol_wire::describe::Body;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) body: Option<Body>,
    /// Name, JSON type, meaning.
    pub(super) query: &'static [(&'static str, &'static str, &'static str)],
    pub(super) answer: Answer,
}

/// What a status of 200 carries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// A JSON object with at least these fields.
    Object(&'static [&'static str]),
    /// The same, or server-sent events when the request asks for a stream.
    ObjectOrEvents(&'static [&'static str]),
    /// Server-sent events, or their data as a JSON array.
    Events,
    /// A JSON object, or one a line when the request asks for a stream.
    ObjectOrLines(&'static [&'static str]),
    /// Text of this media type.
    Text(&'static str),
    /// Sound, in the format that was asked for.
    Sound,
    Nothing,
}

/// The groups, with what they are for.
pub(super) const TAGS: [(&str, &str); 6] = [
    ("OpenAI", "OpenAI's protocol; the base URL of its clients is this server's with /v1"),
    ("Anthropic", "Anthropic's protocol; /v1/models answers in it when anthropic-version is sent"),
    ("Gemini", "Google's protocol"),
    ("Ollama", "Ollama's protocol"),
    ("ElevenLabs", "ElevenLabs' text to speech; errors are worded as OpenAI's"),
    ("Parasol", "The server's own pages and its administration"),
];

pub(super) const fn get(
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    answer: Answer,
) -> Operation {
    Operation { method: "get", path, id, tag, summary, body: None, query: &[], answer }
}

pub(super) const fn post(
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    body: Body,
    answer: Answer,
) -> Operation {
    Operation { method: "post", path, id, tag, summary, body: Some(body), query: &[], answer }
}

/// The studio's page.
const STUDIO: Answer = Answer::Text("text/html; charset=utf-8");

/// `alt=sse`, which Google's clients send.
const ALT: &[(&str, &str, &str)] = &[("alt", "string", "sse sends server-sent events, else one JSON array")];

/// How Anthropic's lists are paged.
const PAGE: &[(&str, &str, &str)] = &[
    ("limit", "integer", "models in a page, 1 to 1000"),
    ("after_id", "string", "the page begins after this model"),
    ("before_id", "string", "the page ends before this model"),
];

/// How Google's lists are paged.
const GOOGLE_PAGE: &[(&str, &str, &str)] =
    &[("pageSize", "integer", "models in a page"), ("pageToken", "string", "what the page before named")];

/// How ElevenLabs names formats.
const SOUND: &[(&str, &str, &str)] =
    &[("output_format", "string", "wav, flac, opus or pcm, perhaps with the voice's rate: pcm_24000")];

/// How OpenAI's lists are paged.
const ITEMS: &[(&str, &str, &str)] = &[
    ("limit", "integer", "items in a page, 1 to 100"),
    ("order", "string", "asc or desc"),
    ("after", "string", "the page begins after this item"),
];

/// How the recordings of consent are paged.
const CONSENTS: &[(&str, &str, &str)] = &[
    ("limit", "integer", "items in a page, 1 to 100"),
    ("after", "string", "the page begins after this item"),
];

/// What a session is with.
const TALK: &[(&str, &str, &str)] = &[
    ("model", "string", "the model that answers; with intent=transcription the one that listens"),
    ("intent", "string", "transcription only writes down what is said"),
];

/// All operations.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/v1/models", "openaiModels", "OpenAI", "List the models", Answer::Object(&["object", "data"])),
    get("/v1/models/{id}", "openaiModel", "OpenAI", "Describe a model", Answer::Object(&["id", "object"])),
    post(
        "/v1/chat/completions",
        "openaiChat",
        "OpenAI",
        "Answer a conversation",
        Body::ChatCompletions,
        Answer::ObjectOrEvents(&["id", "object", "choices"]),
    ),
    post(
        "/v1/completions",
        "openaiComplete",
        "OpenAI",
        "Continue a text, or fill in what belongs before a suffix",
        Body::Completions,
        Answer::ObjectOrEvents(&["id", "object", "choices"]),
    ),
    Operation {
        method: "post",
        ..get(
            "/v1/audio/transcriptions",
            "openaiTranscribe",
            "OpenAI",
            "Write down what is said in a sound file",
            Answer::ObjectOrEvents(&["text"]),
        )
    },
    Operation {
        method: "post",
        ..get(
            "/v1/audio/translations",
            "openaiTranslate",
            "OpenAI",
            "Translate what is said in a sound file into English",
            Answer::ObjectOrEvents(&["text"]),
        )
    },
    post(
        "/v1/responses",
        "openaiRespond",
        "OpenAI",
        "Answer a conversation and keep it, unless store is false",
        Body::Responses,
        Answer::ObjectOrEvents(&["id", "object", "output"]),
    ),
    post(
        "/v1/responses/input_tokens",
        "openaiCount",
        "OpenAI",
        "Count the tokens of a conversation",
        Body::Responses,
        Answer::Object(&["input_tokens"]),
    ),
    get(
        "/v1/responses/{id}",
        "openaiResponse",
        "OpenAI",
        "Read a kept response",
        Answer::ObjectOrEvents(&["id", "object"]),
    ),
    Operation {
        method: "delete",
        ..get(
            "/v1/responses/{id}",
            "openaiDelete",
            "OpenAI",
            "Delete a kept response",
            Answer::Object(&["id", "deleted"]),
        )
    },
    Operation {
        query: ITEMS,
        ..get(
            "/v1/responses/{id}/input_items",
            "openaiInput",
            "OpenAI",
            "List what a kept response answered",
            Answer::Object(&["object", "data"]),
        )
    },
    Operation {
        method: "post",
        ..get(
            "/v1/responses/{id}/cancel",
            "openaiCancel",
            "OpenAI",
            "Cancel a response that is made in the background",
            Answer::Object(&["id"]),
        )
    },
    Operation {
        query: TALK,
        ..get(
            "/v1/realtime",
            "openaiRealtime",
            "OpenAI",
            "Talk over a WebSocket (status 101): OpenAI's Realtime protocol, without upgrade an error",
            Answer::Nothing,
        )
    },
    post(
        "/v1/audio/speech",
        "openaiSpeak",
        "OpenAI",
        "Read a text aloud; the sound is sent as it is made",
        Body::Speech,
        Answer::Sound,
    ),
    Operation {
        query: CONSENTS,
        ..get(
            "/v1/audio/voice_consents",
            "openaiConsents",
            "OpenAI",
            "List the recordings in which people agree to be imitated",
            Answer::Object(&["object", "data", "has_more"]),
        )
    },
    Operation {
        method: "post",
        ..get(
            "/v1/audio/voice_consents",
            "openaiAddConsent",
            "OpenAI",
            "Keep a recording in which somebody agrees to be imitated",
            Answer::Object(&["id", "object"]),
        )
    },
    get(
        "/v1/audio/voice_consents/{id}",
        "openaiConsent",
        "OpenAI",
        "Describe such a recording",
        Answer::Object(&["id", "object"]),
    ),
    Operation {
        method: "post",
        ..get(
            "/v1/audio/voice_consents/{id}",
            "openaiRenameConsent",
            "OpenAI",
            "Give such a recording another name",
            Answer::Object(&["id", "object"]),
        )
    },
    Operation {
        method: "delete",
        ..get(
            "/v1/audio/voice_consents/{id}",
            "openaiDeleteConsent",
            "OpenAI",
            "Remove such a recording",
            Answer::Object(&["id", "object", "deleted"]),
        )
    },
    Operation {
        method: "post",
        ..get(
            "/v1/audio/voices",
            "openaiAddVoice",
            "OpenAI",
            "Add a voice from a sample, with a recording of consent",
            Answer::Object(&["id", "object", "name"]),
        )
    },
    Operation {
        method: "delete",
        ..get(
            "/v1/audio/voices/{id}",
            "openaiDeleteVoice",
            "OpenAI",
            "Remove an added voice",
            Answer::Object(&["id", "object", "deleted"]),
        )
    },
    Operation {
        query: SOUND,
        ..post(
            "/v1/text-to-speech/{voice}",
            "elevenlabsSpeak",
            "ElevenLabs",
            "Read a text aloud with a voice of the default voice model",
            Body::TextToSpeech,
            Answer::Sound,
        )
    },
    Operation {
        query: SOUND,
        ..post(
            "/v1/text-to-speech/{voice}/stream",
            "elevenlabsStream",
            "ElevenLabs",
            "The same",
            Body::TextToSpeech,
            Answer::Sound,
        )
    },
    get("/v1/voices", "elevenlabsVoices", "ElevenLabs", "List the voices", Answer::Object(&["voices"])),
    Operation {
        method: "post",
        ..get(
            "/v1/voices/add",
            "elevenlabsAddVoice",
            "ElevenLabs",
            "Add a voice from samples, with the consent of who speaks",
            Answer::Object(&["voice_id"]),
        )
    },
    get(
        "/v1/voices/{voice}",
        "elevenlabsVoice",
        "ElevenLabs",
        "Describe a voice",
        Answer::Object(&["voice_id", "name", "category"]),
    ),
    Operation {
        method: "delete",
        ..get(
            "/v1/voices/{voice}",
            "elevenlabsDeleteVoice",
            "ElevenLabs",
            "Remove an added voice",
            Answer::Object(&["status"]),
        )
    },
    post(
        "/v1/messages",
        "anthropicMessages",
        "Anthropic",
        "Answer a conversation",
        Body::Messages,
        Answer::ObjectOrEvents(&["id", "type", "role", "content"]),
    ),
    post(
        "/v1/messages/count_tokens",
        "anthropicCount",
        "Anthropic",
        "Count the tokens of a conversation",
        Body::MessagesCount,
        Answer::Object(&["input_tokens"]),
    ),
    Operation {
        query: PAGE,
        ..get(
            "/anthropic/v1/models",
            "anthropicModels",
            "Anthropic",
            "List the models",
            Answer::Object(&["data"]),
        )
    },
    get(
        "/anthropic/v1/models/{id}",
        "anthropicModel",
        "Anthropic",
        "Describe a model",
        Answer::Object(&["id", "type"]),
    ),
    Operation {
        query: GOOGLE_PAGE,
        ..get("/v1beta/models", "geminiModels", "Gemini", "List the models", Answer::Object(&["models"]))
    },
    get("/v1beta/models/{model}", "geminiModel", "Gemini", "Describe a model", Answer::Object(&["name"])),
    post(
        "/v1beta/models/{model}:generateContent",
        "geminiGenerate",
        "Gemini",
        "Answer a conversation",
        Body::GenerateContent,
        Answer::Object(&["candidates"]),
    ),
    Operation {
        query: ALT,
        ..post(
            "/v1beta/models/{model}:streamGenerateContent",
            "geminiStream",
            "Gemini",
            "Answer a conversation as it is made",
            Body::GenerateContent,
            Answer::Events,
        )
    },
    post(
        "/v1beta/models/{model}:countTokens",
        "geminiCount",
        "Gemini",
        "Count the tokens of a conversation",
        Body::CountTokens,
        Answer::Object(&["totalTokens"]),
    ),
    post(
        "/api/generate",
        "ollamaGenerate",
        "Ollama",
        "Answer a prompt or continue a text",
        Body::OllamaGenerate,
        Answer::ObjectOrLines(&["model", "done"]),
    ),
    post(
        "/api/chat",
        "ollamaChat",
        "Ollama",
        "Answer a conversation",
        Body::OllamaChat,
        Answer::ObjectOrLines(&["model", "done"]),
    ),
    get("/api/tags", "ollamaTags", "Ollama", "List the models", Answer::Object(&["models"])),
    get("/api/ps", "ollamaPs", "Ollama", "List the loaded models", Answer::Object(&["models"])),
    post(
        "/api/show",
        "ollamaShow",
        "Ollama",
        "Describe a model",
        Body::OllamaNamed,
        Answer::Object(&["details"]),
    ),
    post(
        "/api/pull",
        "ollamaPull",
        "Ollama",
        "Fetch a model",
        Body::OllamaNamed,
        Answer::ObjectOrLines(&["status"]),
    ),
    Operation {
        method: "delete",
        ..post("/api/delete", "ollamaDelete", "Ollama", "Remove a model", Body::OllamaNamed, Answer::Nothing)
    },
    get(
        "/api/version",
        "ollamaVersion",
        "Ollama",
        "The version of the protocol that is spoken",
        Answer::Object(&["version"]),
    ),
    get(
        "/api/parasol/ps",
        "ps",
        "Parasol",
        "What is loaded and what it takes; for administrators",
        Answer::Object(&["models", "memory"]),
    ),
    Operation {
        method: "post",
        ..get(
            "/api/parasol/stop",
            "stop",
            "Parasol",
            "Unload a model; for administrators",
            Answer::Object(&["model", "freed"]),
        )
    },
    get(
        "/",
        "front",
        "Parasol",
        "Say that the server runs; to browsers as a page",
        Answer::Text("text/plain; charset=utf-8"),
    ),
    get("/c/{id}", "chatPage", "Parasol", "A conversation on the studio's page, to browsers", STUDIO),
    get("/models", "modelsPage", "Parasol", "The models on the studio's page, to browsers", STUDIO),
    get("/models/{name}", "modelPage", "Parasol", "A model on the studio's page, to browsers", STUDIO),
    get("/system", "systemPage", "Parasol", "The system on the studio's page, to browsers", STUDIO),
    get("/usage", "usagePage", "Parasol", "What was spent on the studio's page, to browsers", STUDIO),
    get("/voices", "voicesPage", "Parasol", "The studio's voices, to browsers", STUDIO),
    get("/settings", "settingsPage", "Parasol", "The settings on the studio's page, to browsers", STUDIO),
    get("/studio/{path}", "studioFile", "Parasol", "A file of the studio's page", Answer::Text("*/*")),
    get("/docs", "docs", "Parasol", "This document as a page", Answer::Text("text/html; charset=utf-8")),
    get("/openapi.json", "openapi", "Parasol", "This document", Answer::Object(&["openapi", "paths"])),
    get("/healthz", "healthz", "Parasol", "Whether it runs", Answer::Text("text/plain; charset=utf-8")),
    get(
        "/readyz",
        "readyz",
        "Parasol",
        "Whether the store of models can be read",
        Answer::Text("text/plain; charset=utf-8"),
    ),
    get(
        "/metrics",
        "metrics",
        "Parasol",
        "What is measured, for Prometheus",
        Answer::Text("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ),
];
