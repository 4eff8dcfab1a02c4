//! `POST /v1/audio/speech`: the request, and its answer as events where that is asked for.

use crate::fields::{self, Fields, Spelling, invalid};
use crate::sse::SseEvent;
use parasol_core::{Result, SpeakRequest};
use serde_json::{Value, json};

/// Voices of the protocol's own models, which clients name because they must name one.
const THEIRS: [&str; 13] = [
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
];

/// Whether a voice is one of the protocol's own models'.
pub(crate) fn is_theirs(voice: &str) -> bool {
    THEIRS.contains(&voice)
}

/// Speech as it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpeechCall {
    /// The model asked for.
    pub model: String,
    /// The request.
    pub request: SpeakRequest,
    /// The format's name; `None` leaves it to the server.
    pub format: Option<String>,
    /// Send events that hold the sound instead of the sound.
    pub events: bool,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl SpeechCall {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call = Self { model: f.need_string("model")?, ..Self::default() };
        call.request.text = f.need_string("input")?;
        call.request.voice = match f.take("voice") {
            // A custom voice.
            Some(object @ Value::Object(_)) => {
                let mut voice = Fields::new(object, f.at("voice"), Spelling::Exact)?;
                let id = voice.need_string("id")?;
                voice.finish()?;
                Some(id)
            }
            other => other.map(|name| fields::string(name, &f.at("voice"))).transpose()?,
        };
        let (slowest, fastest) = (SpeakRequest::SLOWEST, SpeakRequest::FASTEST);
        call.request.speed = f.number("speed", slowest, fastest)?.unwrap_or(1.0);
        // Beyond the protocol, as other fields of the vocabulary are taken under their own names.
        call.request.volume = f.number("volume", 0.0, SpeakRequest::LOUDEST)?.unwrap_or(1.0);
        call.request.language = f.string("language")?;
        call.request.seed = f.count("seed", 0)?.map(|seed| seed as u64);
        call.format = f.string("response_format")?;
        call.events = match f.string("stream_format")?.as_deref() {
            None | Some("audio") => false,
            Some("sse") => true,
            Some(other) => {
                return Err(invalid("stream_format", format_args!("is {other:?} and must be audio or sse")));
            }
        };
        f.note(&["instructions", "user"], &mut call.noted);
        f.finish()?;
        Ok(call)
    }

    /// The model is none of the protocol's makers: where one of their voices is named, the model's default voice speaks.
    pub fn at_home(&mut self) {
        if self.request.voice.as_deref().is_some_and(is_theirs) {
            self.request.voice = None;
            self.noted.insert(0, "voice".to_owned());
        }
    }
}

/// A piece of sound as an event; `base64` are its bytes.
pub fn delta(base64: &str) -> SseEvent {
    SseEvent::json(&json!({ "type": "speech.audio.delta", "audio": base64 }))
}

/// What ends the events: characters are counted in place of the protocol's tokens.
pub fn done(characters: usize, phonemes: usize) -> SseEvent {
    SseEvent::json(&json!({ "type": "speech.audio.done", "usage": {
        "input_tokens": characters, "output_tokens": phonemes, "total_tokens": characters.saturating_add(phonemes),
    } }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_read_and_refused_by_field() {
        let mut call = SpeechCall::read(json!({ "model": "m", "input": "Hi", "voice": "alloy", "speed": 2,
            "response_format": "wav", "stream_format": "sse", "instructions": "Be glad." }))
        .unwrap();
        assert_eq!(call.request.voice.as_deref(), Some("alloy"), "its makers know it");
        call.at_home();
        assert_eq!((call.request.voice, call.request.speed, call.events), (None, 2.0, true));
        assert_eq!(call.noted, ["voice", "instructions"]);
        let custom = json!({ "model": "m", "input": "Hi", "voice": { "id": "voice_1" } });
        assert_eq!(SpeechCall::read(custom).unwrap().request.voice.as_deref(), Some("voice_1"));
        for (body, part) in [
            (json!({ "model": "m" }), "input"),
            (json!({ "model": "m", "input": "x", "speed": 9 }), "speed"),
            (json!({ "model": "m", "input": "x", "stream_format": "x" }), "stream_format"),
            (json!({ "model": "m", "input": "x", "pitch": 1 }), "pitch"),
            (json!({ "model": "m", "input": "x", "voice": 1 }), "voice"),
            (json!({ "model": "m", "input": "x", "voice": { "name": "x" } }), "voice.id"),
        ] {
            let error = SpeechCall::read(body).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }
}
