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
