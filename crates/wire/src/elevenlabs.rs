//! ElevenLabs' text to speech: `POST /v1/text-to-speech/{voice}` and `GET /v1/voices`.
//! Reference: <https://elevenlabs.io/docs/api-reference/text-to-speech>. What is not honoured is refused by name.

use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Result, SpeakRequest, Voice};
use serde_json::{Value, json};

/// Settings of voices that ours do not have.
const SETTINGS: &[&str] = &["stability", "similarity_boost", "style", "use_speaker_boost"];

/// Fields that change nothing here.
const HARMLESS: &[&str] = &[
    "pronunciation_dictionary_locators",
    "previous_text",
    "next_text",
    "previous_request_ids",
    "next_request_ids",
    "apply_text_normalization",
    "use_pvc_as_ivc",
];

/// Speech as it was asked for; the voice stands in the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextToSpeech {
    /// The model asked for; `None` is the default voice's.
    pub model: Option<String>,
    /// The request, without its voice.
    pub request: SpeakRequest,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl TextToSpeech {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call = Self::default();
        call.request.text = f.need_string("text")?;
        call.model = f.string("model_id")?;
        call.request.language = f.string("language_code")?;
        call.request.seed = f.count("seed", 0)?.map(|seed| seed as u64);
        if let Some(mut settings) = f.object("voice_settings")? {
            let (slowest, fastest) = (SpeakRequest::SLOWEST, SpeakRequest::FASTEST);
            call.request.speed = settings.number("speed", slowest, fastest)?.unwrap_or(1.0);
            settings.note(SETTINGS, &mut call.noted);
            settings.finish()?;
        }
        f.note(HARMLESS, &mut call.noted);
        f.finish()?;
        Ok(call)
    }

    /// The model is none that can be asked: the default voice stands in for the protocol's own.
    pub fn at_home(&mut self) {
        if self.model.as_deref().is_some_and(|model| model.starts_with("eleven_")) {
            self.model = None;
            self.noted.insert(0, "model_id".to_owned());
        }
    }
}

/// The format's name and rate of an `output_format` such as `pcm_24000`; the rate is `None` where it does not say.
///
/// # Errors
/// `InvalidRequest` when it has another form.
pub fn output_format(text: &str) -> Result<(String, Option<u32>)> {
    let mut parts = text.split('_');
    let name = parts.next().unwrap_or_default();
    let rate = parts.next().map(str::parse::<u32>).transpose();
    match rate {
        Ok(rate) if !name.is_empty() => Ok((name.to_owned(), rate)),
        _ => Err(invalid("output_format", format_args!("is {text:?} and must be such as pcm_24000"))),
    }
}

/// The list of voices, as pairs of a model and one of its voices.
pub fn voices(all: &[(String, Voice)]) -> Value {
    let each = |(model, voice): &(String, Voice)| {
        json!({
            "voice_id": voice.name,
            "name": voice.name,
            "category": "premade",
            "labels": { "language": voice.language, "model": model },
            "description": voice.description,
        })
    };
    json!({ "voices": all.iter().map(each).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_and_formats_are_read() {
        let mut call =
            TextToSpeech::read(json!({ "text": "Hi", "model_id": "eleven_multilingual_v2", "seed": 3,
            "voice_settings": { "stability": 0.5, "speed": 1.5 } }))
            .unwrap();
        assert_eq!(call.model.as_deref(), Some("eleven_multilingual_v2"));
        call.at_home();
        assert_eq!((call.request.speed, call.request.seed, call.model), (1.5, Some(3), None));
        assert_eq!(call.noted, ["model_id", "voice_settings.stability"]);
        assert!(TextToSpeech::read(json!({})).unwrap_err().message().contains("text"));
        assert_eq!(output_format("pcm_24000").unwrap(), ("pcm".to_owned(), Some(24_000)));
        assert_eq!(output_format("mp3_44100_128").unwrap(), ("mp3".to_owned(), Some(44_100)));
        assert_eq!(output_format("wav").unwrap(), ("wav".to_owned(), None));
        assert!(output_format("pcm_x").is_err() && output_format("").is_err());
    }
}
