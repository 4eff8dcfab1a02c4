//! Asking a provider to speak: what goes out, by protocol, and how a long text is divided. What comes back is read in `sound.rs`.
//! References: <https://platform.openai.com/docs/api-reference/audio/createSpeech> and
//! <https://elevenlabs.io/docs/api-reference/text-to-speech/stream>.

use crate::client::{Manner, Protocol, Written};
use crate::openai::client::short;
use parasol_core::{Error, ErrorKind, Result, SpeakRequest};
use serde_json::{Value, json};

/// The rate that ElevenLabs is asked for: the highest that every account may have.
pub const ELEVENLABS_RATE: u32 = 24_000;

/// The request by which `model` is asked to say `text`, which is a piece of the request's. WAV is asked for where the protocol has
/// it, since it tells its own rate.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the protocol cannot express.
pub fn request(
    protocol: Protocol,
    model: &str,
    text: &str,
    request: &SpeakRequest,
    manner: &Manner,
) -> Result<Written> {
    match protocol {
        Protocol::OpenAi => openai(model, text, request, manner),
        Protocol::ElevenLabs => elevenlabs(model, text, request),
        Protocol::Responses
        | Protocol::Anthropic
        | Protocol::Gemini
        | Protocol::Cohere
        | Protocol::Stability
        | Protocol::Bfl
        | Protocol::Runway => Err(unsupported("speech: the protocol of this model's provider has none")),
    }
}

fn named(request: &SpeakRequest) -> Result<&str> {
    request.voice.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::InvalidRequest, "voice: the provider of this model wants one to be named")
    })
}

fn openai(model: &str, text: &str, request: &SpeakRequest, manner: &Manner) -> Result<Written> {
    let mut body = json!({ "model": model, "input": text, "response_format": "wav" });
    if !manner.extended || request.voice.is_some() {
        body["voice"] = named(request)?.into();
    }
    if request.speed != 1.0 {
        body["speed"] = short(request.speed);
    }
    if let Some(language) = &request.language {
        if !manner.extended {
            return Err(unsupported(
                "language: the provider's voices speak the language of the text; leave it out",
            ));
        }
        body["language"] = language.as_str().into();
    }
    if let Some(seed) = request.seed {
        if !manner.extended {
            return Err(unsupported("seed: the protocol has none; leave it out"));
        }
        body["seed"] = seed.into();
    }
    Ok(Written { path: "audio/speech".into(), body, ignored: Vec::new() })
}

fn elevenlabs(model: &str, text: &str, request: &SpeakRequest) -> Result<Written> {
    let voice = named(request)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if voice.is_empty() || voice.len() > 64 || !voice.chars().all(plain) {
        let message = format!(
            "voice: {voice:?} is no voice's id of ElevenLabs: letters and digits; --list-voices names some"
        );
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let mut body = json!({ "text": text, "model_id": model });
    if request.speed != 1.0 {
        if !(0.7..=1.2).contains(&request.speed) {
            let message = format!("speed: ElevenLabs takes 0.7 to 1.2, not {}", request.speed);
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        body["voice_settings"] = json!({ "speed": short(request.speed) });
    }
    if let Some(language) = &request.language {
        // The language alone: of regions they know nothing.
        body["language_code"] = language.split(['-', '_']).next().unwrap_or_default().to_lowercase().into();
    }
    if let Some(seed) = request.seed {
        let seed = u32::try_from(seed).map_err(|_| {
            let message = format!("seed: ElevenLabs takes 0 to {}, not {seed}", u32::MAX);
            Error::new(ErrorKind::InvalidRequest, message)
        })?;
        body["seed"] = seed.into();
    }
    let path = format!("text-to-speech/{voice}/stream?output_format=pcm_{ELEVENLABS_RATE}");
    Ok(Written { path, body, ignored: Vec::new() })
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// What is wrong with a request before anybody is asked.
///
/// # Errors
/// `InvalidRequest` for an empty text and numbers out of range; `Unsupported` for SSML and for voices to be imitated.
pub fn check(request: &SpeakRequest) -> Result<()> {
    request.check()?;
    if request.text.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "there is no text to speak"));
    }
    if let Some(reference) = &request.reference {
        let message = format!(
            "voice: {:?} is a voice that is kept on this machine, and its sound is not sent to a provider",
            reference.name
        );
        return Err(unsupported(&message));
    }
    if request.text.trim_start().starts_with("<speak") {
        return Err(unsupported("text: SSML is for voices on this machine; providers take plain text"));
    }
    Ok(())
}

/// A text in pieces of at most so many characters, cut behind a sentence where there is one, else behind a word. Together they are
/// the text; none is blank.
#[must_use]
pub fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let end = rest.char_indices().nth(most.max(1)).map_or(rest.len(), |(at, _)| at);
        let cut = if end == rest.len() { end } else { cut(&rest[..end]) };
        let (piece, after) = rest.split_at(cut);
        rest = after;
        // Blank lines go with what follows.
        if !piece.trim().is_empty() {
            out.push(piece);
        }
    }
    out
}

/// Where to cut a piece that the text does not end with.
fn cut(piece: &str) -> usize {
    let mut sentence = 0;
    let mut word = 0;
    let mut before = ' ';
    for (at, c) in piece.char_indices() {
        if c.is_whitespace() && !before.is_whitespace() {
            word = at;
            if matches!(before, '.' | '!' | '?' | '…' | '"' | '”' | '»') || c == '\n' {
                sentence = at;
            }
        }
        if matches!(c, '。' | '！' | '？') {
            sentence = at + c.len_utf8();
        }
        before = c;
    }
    [sentence, word].into_iter().find(|at| *at > 0).unwrap_or(piece.len())
}

/// What ElevenLabs says in a refusal: `detail` is a text, an object, or a list of what is wrong with fields.
#[must_use]
pub(crate) fn elevenlabs_error(status: u16, body: &[u8], retry_after: Option<u64>) -> Error {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = &parsed["detail"];
    let field = |it: &Value| {
        let place: Vec<&str> = it["loc"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Some(format!("{}: {}", place.join("."), it["msg"].as_str()?))
    };
    let told = match detail {
        Value::Array(all) => all.iter().filter_map(field).collect::<Vec<_>>().join("; "),
        Value::Object(_) => {
            let parts = [&detail["status"], &detail["message"]].into_iter().filter_map(Value::as_str);
            parts.collect::<Vec<_>>().join(": ")
        }
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    // Servers that imitate it may word their refusals as OpenAI does.
    let body =
        if told.is_empty() { body.to_vec() } else { json!({ "detail": told }).to_string().into_bytes() };
    crate::openai::client::error(status, &body, retry_after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::VoiceReference;

    fn asked() -> SpeakRequest {
        SpeakRequest { text: "Hi.".into(), voice: Some("alloy".into()), ..SpeakRequest::default() }
    }

    #[test]
    fn openai_is_asked_for_wav_and_told_what_it_knows() {
        let standard = Manner::standard();
        let it =
            request(Protocol::OpenAi, "tts-1", "Hi.", &SpeakRequest { speed: 1.1, ..asked() }, &standard);
        let it = it.unwrap();
        let wanted = json!({ "model": "tts-1", "input": "Hi.", "voice": "alloy", "response_format": "wav", "speed": 1.1 });
        assert_eq!((it.path.as_str(), it.body), ("audio/speech", wanted));
        let more = SpeakRequest { seed: Some(7), language: Some("en-GB".into()), ..asked() };
        let it = request(Protocol::OpenAi, "m", "Hi.", &more, &Manner::default()).unwrap();
        assert_eq!((&it.body["seed"], &it.body["language"]), (&json!(7), &json!("en-GB")));
        let own = SpeakRequest { voice: None, ..asked() };
        let it = request(Protocol::OpenAi, "m", "Hi.", &own, &Manner::default()).unwrap();
        assert!(it.body.get("voice").is_none(), "a server of one's own has a default");
        for (request_, field) in [
            (SpeakRequest { seed: Some(7), ..asked() }, "seed"),
            (SpeakRequest { language: Some("en".into()), ..asked() }, "language"),
            (SpeakRequest { voice: None, ..asked() }, "voice"),
        ] {
            let error = request(Protocol::OpenAi, "m", "Hi.", &request_, &standard).unwrap_err();
            assert!(error.message().contains(field), "{error}");
        }
        let error = request(Protocol::Gemini, "m", "Hi.", &asked(), &standard).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_voice_that_is_kept_here_is_not_sent_away() {
        let reference = VoiceReference {
            name: "anna".into(),
            samples: vec![0.5; 48_000],
            rate: 16_000,
            transcript: None,
        };
        assert!(check(&asked()).is_ok());
        let error = check(&SpeakRequest { reference: Some(reference), ..asked() }).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("anna"), "{error}");
    }

    #[test]
    fn elevenlabs_has_the_voice_in_its_path() {
        let more = SpeakRequest { speed: 0.8, seed: Some(7), language: Some("en-GB".into()), ..asked() };
        let it = request(Protocol::ElevenLabs, "eleven_v3", "Hi.", &more, &Manner::standard()).unwrap();
        assert_eq!(it.path, "text-to-speech/alloy/stream?output_format=pcm_24000");
        let wanted = json!({ "text": "Hi.", "model_id": "eleven_v3", "voice_settings": { "speed": 0.8 },
            "language_code": "en", "seed": 7 });
        assert_eq!(it.body, wanted);
        for (request_, field) in [
            (SpeakRequest { speed: 2.0, ..asked() }, "speed"),
            (SpeakRequest { seed: Some(1 << 40), ..asked() }, "seed"),
            (SpeakRequest { voice: Some("../voices".into()), ..asked() }, "voice"),
            (SpeakRequest { voice: Some(String::new()), ..asked() }, "voice"),
        ] {
            let error =
                request(Protocol::ElevenLabs, "m", "Hi.", &request_, &Manner::standard()).unwrap_err();
            assert!(error.message().contains(field), "{error}");
        }
    }

    #[test]
    fn what_nobody_can_say_is_refused() {
        for (wrong, part) in [
            (SpeakRequest { text: " \n".into(), ..asked() }, "no text"),
            (SpeakRequest { text: "<speak>Hi</speak>".into(), ..asked() }, "SSML"),
            (SpeakRequest { speed: f32::NAN, ..asked() }, "speed"),
            (SpeakRequest { volume: 9.0, ..asked() }, "volume"),
        ] {
            assert!(check(&wrong).unwrap_err().message().contains(part), "{part}");
        }
        check(&asked()).unwrap();
    }

    #[test]
    fn long_texts_are_cut_where_it_is_not_heard() {
        assert_eq!(pieces("One two. Three four.", 100), ["One two. Three four."]);
        assert_eq!(pieces("One two. Three four.", 12), ["One two.", " Three four."]);
        assert_eq!(pieces("one two three", 8), ["one two", " three"]);
        assert_eq!(pieces("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(pieces("天気。雨です。", 4), ["天気。", "雨です。"]);
        assert!(pieces(" \n ", 4).is_empty() && pieces("", 4).is_empty());
        let text = "A first one! Is it? Yes … and “so on.”\n\nNext para\u{301}graph 漢字。".repeat(40);
        for most in [1, 7, 40, 500] {
            let all = pieces(&text, most);
            assert!(all.iter().all(|piece| piece.chars().count() <= most && !piece.trim().is_empty()));
            let heard = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(heard(&all.concat()), heard(&text), "{most}");
        }
    }

    #[test]
    fn elevenlabs_refusals_are_read_in_every_form() {
        let status = json!({ "detail": { "status": "quota_exceeded", "message": "You have 3 credits." } });
        let error = elevenlabs_error(401, status.to_string().as_bytes(), None);
        assert_eq!(
            (error.kind(), error.message()),
            (&ErrorKind::Denied, "quota_exceeded: You have 3 credits.")
        );
        let fields =
            json!({ "detail": [{ "loc": ["body", "text"], "msg": "Field required", "type": "missing" }] });
        let error = elevenlabs_error(422, fields.to_string().as_bytes(), None);
        assert_eq!(
            (error.kind(), error.message()),
            (&ErrorKind::InvalidRequest, "body.text: Field required")
        );
        let error = elevenlabs_error(429, br#"{"detail":"slowly"}"#, Some(3));
        assert_eq!((error.kind(), error.message()), (&ErrorKind::RateLimited { retry_after: 3 }, "slowly"));
        assert!(elevenlabs_error(500, b"<html>", None).message().contains("500"));
        let error = elevenlabs_error(400, br#"{"error":{"message":"no such voice"}}"#, None);
        assert_eq!(error.message(), "no such voice");
    }
}
