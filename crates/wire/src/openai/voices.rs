//! OpenAI's custom voices: `/v1/audio/voice_consents` and `/v1/audio/voices`, the fields of their forms and the shapes of their answers.
//! Reference: <https://developers.openai.com/api/docs/guides/custom-voices> and the API reference of `audio/voices`.

use crate::fields::{invalid, unknown};
use parasol_core::Result;
use serde_json::{Value, json};

/// A recording of consent to be kept; its sound comes beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewConsent {
    /// What it is called.
    pub name: String,
    /// The language that is spoken.
    pub language: String,
}

/// A voice to be made of a sample, which comes beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVoice {
    /// What it is called.
    pub name: String,
    /// The recording of consent, by its id.
    pub consent: String,
}

fn need(field: &str, value: String) -> Result<String> {
    if value.trim().is_empty() { Err(invalid(field, "is required")) } else { Ok(value) }
}

impl NewConsent {
    /// Reads the fields of the form, `recording` left out.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is missing or not known.
    pub fn read(fields: &[(String, String)]) -> Result<Self> {
        let mut new = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "name" => new.name = value.clone(),
                "language" => new.language = value.clone(),
                other => return Err(unknown(other)),
            }
        }
        Ok(Self { name: need("name", new.name)?, language: need("language", new.language)? })
    }
}

impl NewVoice {
    /// Reads the fields of the form, `audio_sample` left out.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is missing, not known or not honoured.
    pub fn read(fields: &[(String, String)]) -> Result<Self> {
        let mut new = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "name" => new.name = value.clone(),
                "consent" => new.consent = value.clone(),
                "type" if value == "audio_sample" => {}
                "type" | "prompt" | "model" | "script_hint" => {
                    return Err(invalid(
                        name,
                        "voices are made of a sample here, not of a description: send audio_sample",
                    ));
                }
                other => return Err(unknown(other)),
            }
        }
        let consent = new.consent;
        if consent.trim().is_empty() {
            let what =
                "is required: the id of a recording of consent, which POST /v1/audio/voice_consents keeps";
            return Err(invalid("consent", what));
        }
        Ok(Self { name: need("name", new.name)?, consent })
    }
}

/// A recording of consent as it is told.
pub fn consent(id: &str, name: &str, language: &str, created: u64) -> Value {
    json!({ "id": id, "object": "audio.voice_consent", "created_at": created, "language": language, "name": name })
}

/// A page of them.
pub fn consents(data: &[Value], more: bool) -> Value {
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    json!({
        "object": "list", "data": data, "has_more": more, "first_id": id(data.first()), "last_id": id(data.last()),
    })
}

/// A recording of consent is gone.
pub fn consent_deleted(id: &str) -> Value {
    json!({ "id": id, "object": "audio.voice_consent", "deleted": true })
}

/// A voice as it is told.
pub fn voice(id: &str, name: &str, created: u64) -> Value {
    json!({ "id": id, "object": "audio.voice", "created_at": created, "name": name, "type": "audio_sample" })
}

/// A voice is gone.
pub fn voice_deleted(id: &str) -> Value {
    json!({ "id": id, "object": "audio.voice.deleted", "deleted": true })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn forms_are_read_and_refused_by_field() {
        let new = NewConsent::read(&fields(&[("name", "Anna"), ("language", "en-US")])).unwrap();
        assert_eq!((new.name.as_str(), new.language.as_str()), ("Anna", "en-US"));
        let new =
            NewVoice::read(&fields(&[("name", "anna"), ("consent", "cons_1"), ("type", "audio_sample")]))
                .unwrap();
        assert_eq!((new.name.as_str(), new.consent.as_str()), ("anna", "cons_1"));
        for (given, part) in [
            (&[("name", "anna")][..], "consent: is required"),
            (&[("consent", "cons_1")], "name"),
            (&[("name", "anna"), ("consent", "c"), ("type", "prompt")], "type"),
            (&[("name", "anna"), ("consent", "c"), ("colour", "red")], "colour"),
        ] {
            let error = NewVoice::read(&fields(given)).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
        assert!(NewConsent::read(&fields(&[("name", "x")])).unwrap_err().message().contains("language"));
    }
}
