//! The studio's routes of speech and transcription in the document.

use super::{Reply, Route, Takes, get, it, of, post};

/// Their description.
pub(super) const ROUTES: &[Route] = &[
    get(
        "/api/parasol/sound",
        "soundModels",
        "The models that speak and listen when none is named",
        Reply::Json(200, of::<it::SoundModels>),
    ),
    Route {
        query: &[("model", "string", "the model; the default one without")],
        refusals: &[404, 503],
        ..get(
            "/api/parasol/voices",
            "modelVoices",
            "The voices of a model",
            Reply::Json(200, of::<it::VoiceList>),
        )
    },
    get(
        "/api/parasol/added-voices",
        "addedVoices",
        "The voices that were added, and what to know before one is",
        Reply::Json(200, of::<it::AddedVoices>),
    ),
    Route {
        takes: Takes::Sound,
        query: &[
            ("name", "string", "what the voice is to be called"),
            ("consent", "boolean", "true: the person who speaks has given permission"),
            ("transcript", "string", "what is said in the recording"),
        ],
        ..post(
            "/api/parasol/added-voices",
            "addVoice",
            "Add the voice of a recording",
            Reply::Json(201, of::<it::AddedVoice>),
        )
    },
    Route {
        method: "delete",
        refusals: &[404],
        ..get("/api/parasol/added-voices/{id}", "removeVoice", "Remove an added voice", Reply::Nothing)
    },
    Route {
        body: Some(of::<it::NewSpeech>),
        refusals: &[404, 500, 503, 504],
        ..post("/api/parasol/speech", "speakText", "Read a text aloud", Reply::Sound)
    },
    Route {
        takes: Takes::Sound,
        query: &[
            ("model", "string", "the model; the default one without"),
            ("language", "string", "what is spoken, such as en; found out without"),
            ("task", "string", "transcribe, or translate into English"),
        ],
        refusals: &[404, 500, 503, 504],
        ..post(
            "/api/parasol/transcriptions",
            "writeDown",
            "Write down what is said, with the time of each word: started, progress, segment, at last done or error",
            Reply::Events,
        )
    },
];
