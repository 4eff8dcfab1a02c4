//! Asking a provider to write down what is said, whichever protocol it speaks: the form that goes out, and what comes back as events.
//! OpenAI's is `openai/hearing.rs`; ElevenLabs' stands here.
//! Reference: <https://elevenlabs.io/docs/api-reference/speech-to-text/convert>.

use crate::client::{Manner, Protocol};
use crate::multipart::Multipart;
use crate::openai::hearing;
use parasol_core::{
    Error, ErrorKind, Result, Segment, Timestamps, TranscribeRequest, TranscribeTask, TranscriptEvent,
    TranscriptTimings, TranscriptUsage, Word,
};
use serde_json::Value;

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The endpoint below the base URL.
    pub path: &'static str,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Form {
    /// A form with these fields and a sound, which is a WAV file.
    pub(crate) fn new(path: &'static str, fields: &[(&str, String)], sound: &[u8], boundary: &str) -> Self {
        let mut form = Multipart::new(boundary);
        for (name, value) in fields {
            form.field(name, value);
        }
        form.file("file", "sound.wav", "audio/wav", sound);
        let (content_type, body) = form.finish();
        Self { path, content_type, body }
    }
}

/// The form by which `model` is asked to write down `sound`, a whole WAV file. `boundary` stands between the fields: letters and
/// digits that nobody could have put into them.
///
/// # Errors
/// `Unsupported`, naming what the protocol, or the model, cannot do.
pub fn form(
    protocol: Protocol,
    model: &str,
    request: &TranscribeRequest,
    sound: &[u8],
    manner: &Manner,
    boundary: &str,
) -> Result<Form> {
    match protocol {
        Protocol::OpenAi | Protocol::Responses => hearing::form(model, request, sound, manner, boundary),
        Protocol::ElevenLabs => elevenlabs_form(model, request, sound, boundary),
        Protocol::Anthropic
        | Protocol::Gemini
        | Protocol::Cohere
        | Protocol::Runway
        | Protocol::Stability
        | Protocol::Bfl => {
            let message =
                "the provider's protocol has no transcripts: send the sound in a chat, or take another model";
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

/// The events of an answer of `model` to a sound of so many seconds; with the times of words where they were asked for. Times of the
/// work are left to whoever has a clock.
///
/// # Errors
/// `Network` when it is no answer of this protocol.
pub fn read(
    protocol: Protocol,
    model: &str,
    seconds: f64,
    request: &TranscribeRequest,
    body: &[u8],
) -> Result<Vec<TranscriptEvent>> {
    match protocol {
        Protocol::ElevenLabs => elevenlabs_read(model, seconds, request, body),
        _ => hearing::read(model, seconds, body),
    }
}

pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("the provider's transcript {what}"))
}

/// Refuses the first of what was asked for and cannot be done.
pub(crate) fn refuse(cannot: &[(bool, &str)]) -> Result<()> {
    let Some((_, what)) = cannot.iter().find(|(asked, _)| *asked) else { return Ok(()) };
    Err(Error::new(ErrorKind::Unsupported, format!("{what}; leave it out, or take another model")))
}

/// A time. Some write it as a text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n: &f64| n.is_finite() && *n >= 0.0)
}

/// A whole transcript as events; its language, and how likely that is.
pub(crate) fn told(
    model: &str,
    language: (Option<String>, Option<f32>),
    seconds: f64,
    segments: Vec<Segment>,
    generated_tokens: usize,
) -> Vec<TranscriptEvent> {
    let started = TranscriptEvent::Started {
        model: model.to_owned(),
        language: language.0,
        language_probability: language.1,
        duration: Some(seconds),
        seed: 0,
    };
    let usage = TranscriptUsage { seconds, speech_seconds: seconds, generated_tokens, cost: None };
    let finished = TranscriptEvent::Finished { usage, timings: TranscriptTimings::default() };
    let said = segments.into_iter().map(TranscriptEvent::Segment);
    std::iter::once(started).chain(said).chain([finished]).collect()
}

fn elevenlabs_form(model: &str, request: &TranscribeRequest, sound: &[u8], boundary: &str) -> Result<Form> {
    let seed = request.seed.map(i32::try_from);
    refuse(&[
        (request.task == TranscribeTask::Translate, "translate: this model transcribes only"),
        (request.beam.is_some(), "beam: the provider searches in its own way"),
        (request.previous_text, "previous_text: the provider decides what guides the text"),
        (!request.voice_activity, "voice_activity: the provider looks for speech in its own way"),
        (request.prompt.is_some(), "prompt: the protocol has none"),
        (matches!(seed, Some(Err(_))), "seed: those of the protocol end at 2147483647"),
    ])?;
    let times = if request.timestamps == Timestamps::None { "none" } else { "word" };
    let mut fields = vec![
        ("model_id", model.to_owned()),
        ("timestamps_granularity", times.to_owned()),
        // What is said, and not what else is heard.
        ("tag_audio_events", "false".to_owned()),
    ];
    fields.extend(request.language.clone().map(|language| ("language_code", language)));
    fields.extend(request.temperature.map(|t| ("temperature", t.to_string())));
    fields.extend(seed.and_then(|seed| seed.ok()).map(|seed: i32| ("seed", seed.to_string())));
    Ok(Form::new("speech-to-text", &fields, sound, boundary))
}

/// A pause that ends a segment, in seconds, and the longest segment.
const PAUSE: f64 = 1.0;
const LONGEST: f64 = 30.0;

fn elevenlabs_read(
    model: &str,
    seconds: f64,
    request: &TranscribeRequest,
    body: &[u8],
) -> Result<Vec<TranscriptEvent>> {
    let whole: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
    let text = whole["text"].as_str().ok_or_else(|| wrong("holds no text"))?.trim();
    let mut segments: Vec<Segment> = Vec::new();
    let mut ended = true;
    let timed = |it: &Value| Some((number(&it["start"])?, number(&it["end"])?));
    let words = whole["words"].as_array().map(Vec::as_slice).unwrap_or_default();
    let any = words.iter().any(|it| it["type"] != "spacing" && timed(it).is_some());
    for it in words.iter().filter(|_| any) {
        let said = it["text"].as_str().unwrap_or_default();
        if it["type"] == "spacing" {
            if let Some(segment) = segments.last_mut().filter(|_| !ended) {
                segment.text.push_str(said);
            }
            continue;
        }
        // One without times was said all the same: behind the one before.
        let here = segments.last().map_or(0.0, |segment| segment.end);
        let (start, end) = timed(it).unwrap_or((here, here));
        let end = end.max(start);
        let over = |segment: &Segment| start - segment.end >= PAUSE || end - segment.start > LONGEST;
        if ended || segments.last().is_none_or(over) {
            if let Some(segment) = segments.last_mut() {
                segment.text.truncate(segment.text.trim_end().len());
            }
            let (id, text) = (segments.len(), " ".to_owned());
            segments.push(Segment { id, start, end, text, ..Segment::default() });
        }
        let Some(segment) = segments.last_mut() else { continue };
        segment.text.push_str(said);
        segment.end = segment.end.max(end);
        let probability = it["logprob"].as_f64().map_or(1.0, f64::exp).clamp(0.0, 1.0) as f32;
        segment.words.push(Word { word: format!(" {}", said.trim()), start, end, probability });
        ended = said.trim_end().ends_with(['.', '?', '!', '…', '。', '？', '！']);
    }
    for segment in &mut segments {
        let logs = segment.words.iter().map(|word| word.probability.max(f32::MIN_POSITIVE).ln());
        segment.avg_logprob = logs.sum::<f32>() / segment.words.len().max(1) as f32;
        if request.timestamps != Timestamps::Word {
            segment.words = Vec::new();
        }
    }
    if segments.is_empty() && !text.is_empty() {
        // Nobody asked for times, or none are told.
        segments.push(Segment { end: seconds, text: format!(" {text}"), ..Segment::default() });
    }
    let language = whole["language_code"].as_str().filter(|code| !code.is_empty()).map(two_letters);
    let probability = whole["language_probability"].as_f64().map(|p| p as f32);
    Ok(told(model, (language, probability), seconds, segments, 0))
}

/// Codes of three letters, and the two by which languages are known here.
const CODES: &str = "afr af, amh am, ara ar, asm as, aze az, bel be, ben bn, bos bs, bul bg, cat ca, ces cs, cmn zh, zho zh, cym cy, dan da, \
    deu de, ell el, eng en, est et, eus eu, fas fa, fao fo, fin fi, fra fr, ful ff, gle ga, glg gl, guj gu, hau ha, heb he, \
    hin hi, hrv hr, hun hu, hye hy, ibo ig, ind id, isl is, ita it, jav jw, jpn ja, kan kn, kat ka, kaz kk, khm km, kir ky, \
    kor ko, kur ku, lao lo, lav lv, lin ln, lit lt, ltz lb, lug lg, mal ml, mar mr, mkd mk, mlt mt, mon mn, mri mi, msa ms, \
    zsm ms, mya my, nep ne, nld nl, nor no, nob no, nya ny, oci oc, ori or, pan pa, pol pl, por pt, pus ps, ron ro, rus ru, \
    slk sk, slv sl, sna sn, snd sd, som so, spa es, srp sr, swa sw, swe sv, tam ta, tel te, tgk tg, tha th, tur tr, ukr uk, \
    urd ur, uzb uz, vie vi, wol wo, xho xh, yor yo, yue yue, zul zu";

/// A language's code in two letters, where it has one.
fn two_letters(code: &str) -> String {
    let pairs = CODES.split(", ").filter_map(|pair| pair.split_once(' '));
    let mut found = pairs.filter(|(three, _)| *three == code).map(|(_, two)| two);
    found.next().unwrap_or(code).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn asked() -> TranscribeRequest {
        TranscribeRequest { language: Some("de".into()), seed: Some(7), ..TranscribeRequest::default() }
    }

    #[test]
    fn elevenlabs_is_asked_in_its_own_words() {
        let manner = Manner::standard();
        let form = form(Protocol::ElevenLabs, "scribe_v2", &asked(), b"RIFF", &manner, "XYZ").unwrap();
        assert_eq!(form.path, "speech-to-text");
        let text = String::from_utf8_lossy(&form.body);
        for field in [
            "\"model_id\"\r\n\r\nscribe_v2\r\n",
            "\"language_code\"\r\n\r\nde\r\n",
            "\"timestamps_granularity\"\r\n\r\nword\r\n",
            "\"seed\"\r\n\r\n7\r\n",
        ] {
            assert!(text.contains(field), "{field}: {text}");
        }
        let translate = TranscribeTask::Translate;
        for (request, field) in [
            (TranscribeRequest { prompt: Some("x".into()), ..asked() }, "prompt"),
            (TranscribeRequest { seed: Some(1 << 40), ..asked() }, "seed"),
            (TranscribeRequest { task: translate, ..asked() }, "translate"),
            (TranscribeRequest { beam: Some(3), ..asked() }, "beam"),
        ] {
            let error = super::form(Protocol::ElevenLabs, "m", &request, b"", &manner, "x").unwrap_err();
            assert!(error.message().contains(field), "{error}");
        }
        assert!(super::form(Protocol::Anthropic, "m", &asked(), b"", &manner, "x").is_err());
    }

    #[test]
    fn words_of_elevenlabs_become_segments() {
        let word = |text: &str, start: f64, end: f64| json!({ "text": text, "start": start, "end": end, "type": "word", "logprob": -0.5 });
        let space = || json!({ "text": " ", "type": "spacing", "start": 0.5, "end": 0.6, "logprob": 0.0 });
        let body = json!({ "language_code": "deu", "language_probability": 0.9, "text": "Guten Tag. Ja, nein doch",
            "words": [word("Guten", 0.0, 0.5), space(), word("Tag.", 0.6, 1.0), space(), word("Ja,", 1.2, 1.5), space(),
                word("nein", 3.0, 3.4), space(), json!({ "text": "doch", "type": "word", "start": null, "end": null })] });
        let request = TranscribeRequest { timestamps: Timestamps::Word, ..asked() };
        let body = body.to_string();
        let events = read(Protocol::ElevenLabs, "m", 4.0, &request, body.as_bytes()).unwrap();
        let TranscriptEvent::Started { language, language_probability, .. } = &events[0] else { panic!() };
        assert_eq!((language.as_deref(), *language_probability), (Some("de"), Some(0.9)));
        let said: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                TranscriptEvent::Segment(it) => {
                    Some((it.id, it.text.as_str(), it.start, it.end, it.words.len()))
                }
                _ => None,
            })
            .collect();
        // A sentence ends one, and a pause.
        let wanted =
            [(0, " Guten Tag.", 0.0, 1.0, 2), (1, " Ja,", 1.2, 1.5, 1), (2, " nein doch", 3.0, 3.4, 2)];
        assert_eq!(said, wanted);
        let plain = TranscribeRequest { timestamps: Timestamps::None, ..asked() };
        let events = read(Protocol::ElevenLabs, "m", 4.0, &plain, br#"{"text":"Hi.","words":[]}"#).unwrap();
        assert!(matches!(&events[1], TranscriptEvent::Segment(it) if it.text == " Hi." && it.end == 4.0));
        let untimed = br#"{"text":"Hi.","words":[{"text":"Hi.","type":"word","start":null,"end":null}]}"#;
        let events = read(Protocol::ElevenLabs, "m", 4.0, &request, untimed).unwrap();
        assert!(matches!(&events[1], TranscriptEvent::Segment(it) if it.text == " Hi." && it.end == 4.0));
        for wrong in [&b"{}"[..], b"[]", b"", b"\xff", br#"{"words":[]}"#] {
            assert!(read(Protocol::ElevenLabs, "m", 1.0, &plain, wrong).is_err());
        }
    }

    #[test]
    fn codes_of_three_letters_are_told_as_two() {
        assert_eq!(
            (two_letters("eng"), two_letters("zul"), two_letters("xx-odd")),
            ("en".into(), "zu".into(), "xx-odd".into())
        );
    }
}
