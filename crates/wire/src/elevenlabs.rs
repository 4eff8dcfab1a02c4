//! ElevenLabs' text to speech: `POST /v1/text-to-speech/{voice}` and the voices, `GET /v1/voices`, `POST /v1/voices/add`.
//! Reference: <https://elevenlabs.io/docs/api-reference/text-to-speech>. What is not honoured is refused by name.

use crate::fields::{Fields, Spelling, invalid, unknown};
use parasol_core::{Error, ErrorKind, Result, SpeakRequest, Voice};
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

/// A voice to be added, which `POST /v1/voices/add` asks for; its files come beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddVoice {
    /// What it is called.
    pub name: String,
    /// What it sounds like.
    pub description: String,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl AddVoice {
    /// Reads the fields of the form, `files` left out. The protocol has no word for consent: it is the field `consent`, or a label of that
    /// name, and has to be true.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is missing, wrong or not honoured; `Denied` without consent.
    pub fn read(fields: &[(String, String)]) -> Result<Self> {
        let (mut new, mut consent) = (Self::default(), false);
        let is_true = |text: &str| matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "yes" | "1");
        for (name, value) in fields {
            match name.as_str() {
                "name" => new.name = value.clone(),
                "description" => new.description = value.clone(),
                "consent" => consent |= is_true(value),
                "labels" => {
                    let labels: Value = serde_json::from_str(value).unwrap_or_default();
                    let agrees = |label: &Value| *label == true || label.as_str().is_some_and(is_true);
                    consent |= labels.get("consent").is_some_and(agrees);
                    new.noted.push(name.clone());
                }
                "remove_background_noise" if is_true(value) => {
                    return Err(invalid(
                        name,
                        "nothing here takes noise out of recordings: send a clean one",
                    ));
                }
                "remove_background_noise" => {}
                other => return Err(unknown(other)),
            }
        }
        if new.name.trim().is_empty() {
            return Err(invalid("name", "is required"));
        }
        if !consent {
            let message = "a voice is added with the consent of the person who speaks only: send the field consent=true, or the label \
                           \"consent\": \"true\", to state that you have it";
            return Err(Error::new(ErrorKind::Denied, message));
        }
        Ok(new)
    }
}

/// A voice was added.
pub fn added(id: &str) -> Value {
    json!({ "voice_id": id, "requires_verification": false })
}

/// A voice is gone.
pub fn removed() -> Value {
    json!({ "status": "ok" })
}

/// A voice of a model.
pub fn voice(model: &str, voice: &Voice) -> Value {
    json!({
        "voice_id": voice.name,
        "name": voice.name,
        "category": "premade",
        "labels": { "language": voice.language, "model": model },
        "description": voice.description,
    })
}

/// A voice that was added, which `models` can imitate.
pub fn cloned(id: &str, name: &str, description: &str, created: u64, models: &[&str]) -> Value {
    json!({
        "voice_id": id,
        "name": name,
        "category": "cloned",
        "labels": {},
        "description": description,
        "high_quality_base_model_ids": models,
        "created_at_unix": created,
    })
}

/// The list of voices.
pub fn voices(all: &[Value]) -> Value {
    json!({ "voices": all })
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

    #[test]
    fn a_voice_is_added_with_consent_only() {
        let read = |all: &[(&str, &str)]| {
            let fields: Vec<_> = all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            AddVoice::read(&fields)
        };
        let name = ("name", "Anna");
        assert_eq!(read(&[name, ("consent", "true")]).unwrap().name, "Anna");
        assert!(read(&[name, ("labels", r#"{"consent":"true","accent":"none"}"#)]).is_ok());
        for without in [
            &[name][..],
            &[name, ("consent", "false")],
            &[name, ("labels", "null")],
            &[name, ("labels", "{")],
        ] {
            assert_eq!(*read(without).unwrap_err().kind(), ErrorKind::Denied);
        }
        for (fields, part) in [
            (&[("consent", "true")][..], "name"),
            (&[name, ("consent", "true"), ("remove_background_noise", "true")], "remove_background_noise"),
            (&[name, ("consent", "true"), ("colour", "red")], "colour"),
        ] {
            assert!(read(fields).unwrap_err().message().contains(part));
        }
    }
}
