//! Asking a provider to write down what is said: the form that goes out, and what comes back as events.
//! Reference: <https://platform.openai.com/docs/api-reference/audio/createTranscription>, which Groq's follows.

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

/// The form by which `model` is asked to write down `sound`, a whole WAV file. `timed` says whether the model tells times;
/// `boundary` stands between the fields: letters and digits that nobody could have put into them.
///
/// # Errors
/// `Unsupported`, naming what the protocol, or the model, cannot do.
pub fn form(
    model: &str,
    request: &TranscribeRequest,
    sound: &[u8],
    timed: bool,
    boundary: &str,
) -> Result<Form> {
    let translate = request.task == TranscribeTask::Translate;
    let cannot = [
        (request.beam.is_some(), "beam: the provider searches in its own way"),
        (request.seed.is_some(), "seed: the protocol has none"),
        (request.previous_text, "previous_text: the provider decides what guides the text"),
        (!request.voice_activity, "voice_activity: the provider looks for speech in its own way"),
        (translate && request.language.is_some(), "language: a translation finds it out"),
        (translate && !timed, "translate: this model transcribes only"),
        (!timed && request.timestamps == Timestamps::Word, "timestamps of words: this model tells no times"),
    ];
    if let Some((_, what)) = cannot.iter().find(|(asked, _)| *asked) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{what}; leave it out, or take another model"),
        ));
    }
    let mut fields = vec![("model", model.to_owned())];
    fields.push(("response_format", if timed { "verbose_json" } else { "json" }.into()));
    if timed && !translate {
        fields.push(("timestamp_granularities[]", "segment".into()));
        if request.timestamps == Timestamps::Word {
            fields.push(("timestamp_granularities[]", "word".into()));
        }
    }
    fields.extend(request.language.clone().map(|language| ("language", language)));
    fields.extend(request.prompt.clone().map(|prompt| ("prompt", prompt)));
    fields.extend(request.temperature.map(|t| ("temperature", t.to_string())));
    let mut body = Vec::with_capacity(sound.len().saturating_add(2048));
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"sound.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(sound);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let path = if translate { "audio/translations" } else { "audio/transcriptions" };
    Ok(Form { path, content_type: format!("multipart/form-data; boundary={boundary}"), body })
}

/// The events of an answer of `model` to a sound of so many seconds. Times of the work are left to whoever has a clock.
///
/// # Errors
/// `Network` when it is no answer of this protocol.
pub fn read(model: &str, seconds: f64, body: &[u8]) -> Result<Vec<TranscriptEvent>> {
    let wrong = |what: &str| Error::new(ErrorKind::Network, format!("the provider's transcript {what}"));
    let whole: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
    let text = whole["text"].as_str().ok_or_else(|| wrong("holds no text"))?.trim();
    let seconds = number(&whole["duration"]).unwrap_or(seconds);
    let mut segments: Vec<Segment> =
        whole["segments"].as_array().into_iter().flatten().enumerate().map(segment).collect();
    if segments.is_empty() && !text.is_empty() {
        // A model that tells no times.
        segments.push(Segment { end: seconds, text: format!(" {text}"), ..Segment::default() });
    }
    for it in whole["words"].as_array().into_iter().flatten().filter_map(word) {
        let middle = (it.start + it.end) / 2.0;
        let last = segments.len().saturating_sub(1);
        let at = segments.iter().position(|segment| middle < segment.end).unwrap_or(last);
        if let Some(segment) = segments.get_mut(at) {
            segment.words.push(it);
        }
    }
    let started = TranscriptEvent::Started {
        model: model.to_owned(),
        language: whole["language"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
        language_probability: None,
        duration: Some(seconds),
        seed: 0,
    };
    let tokens = whole["usage"]["output_tokens"].as_u64().and_then(|n| usize::try_from(n).ok());
    let counted = || segments.iter().map(|segment| segment.tokens.len()).sum();
    let usage = TranscriptUsage {
        seconds,
        speech_seconds: seconds,
        generated_tokens: tokens.unwrap_or_else(counted),
        cost: None,
    };
    let finished = TranscriptEvent::Finished { usage, timings: TranscriptTimings::default() };
    let said = segments.into_iter().map(TranscriptEvent::Segment);
    Ok(std::iter::once(started).chain(said).chain([finished]).collect())
}

fn number(value: &Value) -> Option<f64> {
    // Some write the duration as a text.
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n: &f64| n.is_finite() && *n >= 0.0)
}

fn segment((at, it): (usize, &Value)) -> Segment {
    let real = |name: &str| it[name].as_f64().unwrap_or_default() as f32;
    let start = number(&it["start"]).unwrap_or_default();
    let token = |token: &Value| token.as_u64().and_then(|id| u32::try_from(id).ok());
    Segment {
        id: at,
        start,
        end: number(&it["end"]).unwrap_or(start).max(start),
        text: it["text"].as_str().unwrap_or_default().to_owned(),
        tokens: it["tokens"].as_array().into_iter().flatten().filter_map(token).collect(),
        words: Vec::new(),
        temperature: real("temperature"),
        avg_logprob: real("avg_logprob"),
        compression_ratio: real("compression_ratio"),
        no_speech_prob: real("no_speech_prob"),
    }
}

fn word(it: &Value) -> Option<Word> {
    // How likely it is they do not tell.
    let (start, end) = (number(&it["start"])?, number(&it["end"])?);
    Some(Word {
        word: format!(" {}", it["word"].as_str()?.trim()),
        start,
        end: end.max(start),
        probability: 1.0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn asked() -> TranscribeRequest {
        TranscribeRequest { language: Some("de".into()), prompt: Some("Öl".into()), ..Default::default() }
    }

    #[test]
    fn a_form_holds_what_is_asked_and_the_sound_as_it_is() {
        let request = TranscribeRequest { timestamps: Timestamps::Word, ..asked() };
        let form = form("m", &request, b"RIFF\r\n\0\xff", true, "XYZ").unwrap();
        assert_eq!(
            (form.path, form.content_type.as_str()),
            ("audio/transcriptions", "multipart/form-data; boundary=XYZ")
        );
        let text = String::from_utf8_lossy(&form.body);
        for field in [
            "\"model\"\r\n\r\nm\r\n",
            "\"language\"\r\n\r\nde\r\n",
            "\"prompt\"\r\n\r\nÖl\r\n",
            "verbose_json",
            "word",
        ] {
            assert!(text.contains(field), "{field}: {text}");
        }
        assert!(form.body.ends_with(b"audio/wav\r\n\r\nRIFF\r\n\0\xff\r\n--XYZ--\r\n"));
    }

    #[test]
    fn what_a_provider_cannot_do_is_refused_by_name() {
        let translate = TranscribeRequest { task: TranscribeTask::Translate, ..Default::default() };
        assert_eq!(form("m", &translate, b"", true, "x").unwrap().path, "audio/translations");
        for (request, timed, field) in [
            (TranscribeRequest { beam: Some(5), ..asked() }, true, "beam"),
            (TranscribeRequest { seed: Some(5), ..asked() }, true, "seed"),
            (TranscribeRequest { previous_text: true, ..asked() }, true, "previous_text"),
            (TranscribeRequest { voice_activity: false, ..asked() }, true, "voice_activity"),
            (TranscribeRequest { timestamps: Timestamps::Word, ..asked() }, false, "timestamps"),
            (TranscribeRequest { task: TranscribeTask::Translate, ..asked() }, true, "language"),
            (translate, false, "translate"),
        ] {
            let error = form("m", &request, b"", timed, "x").unwrap_err();
            assert!(error.message().contains(field), "{error}");
        }
    }

    #[test]
    fn answers_are_read_with_times_and_without() {
        let body = json!({ "task": "transcribe", "language": "english", "duration": "4.5", "text": "One. Two.",
            "segments": [{ "id": 0, "start": 0.0, "end": 2.0, "text": " One.", "tokens": [1, 2], "avg_logprob": -0.25 },
                { "id": 1, "start": 2.0, "end": 4.0, "text": " Two.", "tokens": [3] }],
            "words": [{ "word": "One", "start": 0.1, "end": 1.0 }, { "word": "Two", "start": 2.1, "end": 3.0 },
                { "word": "late", "start": 9.0, "end": 8.0 }] });
        let events = read("m", 4.0, body.to_string().as_bytes()).unwrap();
        let [
            TranscriptEvent::Started { language, .. },
            TranscriptEvent::Segment(one),
            TranscriptEvent::Segment(two),
            TranscriptEvent::Finished { usage, .. },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((language.as_deref(), usage.seconds, usage.generated_tokens), (Some("english"), 4.5, 3));
        assert_eq!((one.words.len(), two.words.len(), one.avg_logprob), (1, 2, -0.25));
        assert_eq!((two.words[0].word.as_str(), two.words[1].end), (" Two", 9.0));
        let events = read("m", 4.0, br#"{"text":"Hi."}"#).unwrap();
        assert!(
            matches!(&events[1], TranscriptEvent::Segment(s) if s.text == " Hi." && s.end == 4.0),
            "{events:?}"
        );
        assert_eq!(read("m", 4.0, br#"{"text":""}"#).unwrap().len(), 2);
        for wrong in [&b"{}"[..], b"Hi.", b"[]", b""] {
            assert!(read("m", 1.0, wrong).is_err());
        }
    }
}
