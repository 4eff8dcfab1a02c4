//! Asking a provider that speaks OpenAI's protocol to write down what is said.
//! References: <https://platform.openai.com/docs/api-reference/audio/createTranscription>, which Groq's follows, and
//! <https://docs.mistral.ai/api/endpoint/audio/transcriptions>.

use crate::client::Manner;
use crate::listening::{Form, number, refuse, told, wrong};
use parasol_core::{Result, Segment, Timestamps, TranscribeRequest, TranscribeTask, TranscriptEvent, Word};
use serde_json::Value;

/// The form by which `model` is asked to write down `sound`, a whole WAV file. `boundary` stands between the fields: letters and
/// digits that nobody could have put into them.
///
/// # Errors
/// `Unsupported`, naming what the protocol, or the model, cannot do.
pub(crate) fn form(
    model: &str,
    request: &TranscribeRequest,
    sound: &[u8],
    manner: &Manner,
    boundary: &str,
) -> Result<Form> {
    let translate = request.task == TranscribeTask::Translate;
    let timed = manner.timestamps && (manner.timed_language || request.language.is_none());
    let untimed = match manner.timestamps {
        true => "timestamps of words: this model tells no times where it is told the language",
        false => "timestamps of words: this model tells no times",
    };
    refuse(&[
        (request.beam.is_some(), "beam: the provider searches in its own way"),
        (request.seed.is_some(), "seed: the protocol has none"),
        (request.previous_text, "previous_text: the provider decides what guides the text"),
        (!request.voice_activity, "voice_activity: the provider looks for speech in its own way"),
        (request.prompt.is_some() && !manner.prompted, "prompt: the model takes none"),
        (translate && request.language.is_some(), "language: a translation finds it out"),
        (translate && (!timed || !manner.response_format), "translate: this model transcribes only"),
        (!timed && request.timestamps == Timestamps::Word, untimed),
    ])?;
    let mut fields = vec![("model", model.to_owned())];
    if manner.response_format {
        fields.push(("response_format", if timed { "verbose_json" } else { "json" }.into()));
    }
    if timed && !translate {
        let wanted = manner.granularities.as_str();
        fields.push((wanted, "segment".into()));
        if request.timestamps == Timestamps::Word {
            fields.push((wanted, "word".into()));
        }
    }
    fields.extend(request.language.clone().map(|language| ("language", language)));
    fields.extend(request.prompt.clone().map(|prompt| ("prompt", prompt)));
    fields.extend(request.temperature.map(|t| ("temperature", t.to_string())));
    let path = if translate { "audio/translations" } else { "audio/transcriptions" };
    Ok(Form::new(path, &fields, sound, boundary))
}

/// The events of an answer of `model` to a sound of so many seconds. Times of the work are left to whoever has a clock.
///
/// # Errors
/// `Network` when it is no answer of this protocol.
pub(crate) fn read(model: &str, seconds: f64, body: &[u8]) -> Result<Vec<TranscriptEvent>> {
    let whole: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
    let text = whole["text"].as_str().ok_or_else(|| wrong("holds no text"))?.trim();
    let duration = number(&whole["duration"]).or_else(|| number(&whole["usage"]["prompt_audio_seconds"]));
    let seconds = duration.unwrap_or(seconds);
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
    // The second is what `gpt-transcribe` tells: the likeliest first.
    let language = whole["language"].as_str().or_else(|| whole["languages"][0]["code"].as_str());
    let language = language.filter(|name| !name.is_empty()).map(str::to_owned);
    let usage = &whole["usage"];
    let tokens = usage["output_tokens"].as_u64().or_else(|| usage["completion_tokens"].as_u64());
    let counted = || segments.iter().map(|segment| segment.tokens.len()).sum();
    let tokens = tokens.and_then(|n| usize::try_from(n).ok()).unwrap_or_else(counted);
    Ok(told(model, (language, None), seconds, segments, tokens))
}

fn segment((at, it): (usize, &Value)) -> Segment {
    let real = |name: &str| it[name].as_f64().unwrap_or_default() as f32;
    let start = number(&it["start"]).unwrap_or_default();
    let token = |token: &Value| token.as_u64().and_then(|id| u32::try_from(id).ok());
    Segment {
        id: at,
        start,
        end: number(&it["end"]).unwrap_or(start).max(start),
        text: spaced(it["text"].as_str().unwrap_or_default()),
        tokens: it["tokens"].as_array().into_iter().flatten().filter_map(token).collect(),
        words: Vec::new(),
        temperature: real("temperature"),
        avg_logprob: real("avg_logprob"),
        compression_ratio: real("compression_ratio"),
        no_speech_prob: real("no_speech_prob"),
    }
}

/// As Whisper writes it: with a space before it, which Mistral leaves out.
fn spaced(text: &str) -> String {
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        text.to_owned()
    } else {
        format!(" {text}")
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

    fn timed(timestamps: bool) -> Manner {
        Manner { timestamps, ..Manner::standard() }
    }

    fn asked() -> TranscribeRequest {
        TranscribeRequest { language: Some("de".into()), prompt: Some("Öl".into()), ..Default::default() }
    }

    #[test]
    fn a_form_holds_what_is_asked_and_the_sound_as_it_is() {
        let request = TranscribeRequest { timestamps: Timestamps::Word, ..asked() };
        let form = form("m", &request, b"RIFF\r\n\0\xff", &timed(true), "XYZ").unwrap();
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
        assert_eq!(form("m", &translate, b"", &timed(true), "x").unwrap().path, "audio/translations");
        for (request, times, field) in [
            (TranscribeRequest { beam: Some(5), ..asked() }, true, "beam"),
            (TranscribeRequest { seed: Some(5), ..asked() }, true, "seed"),
            (TranscribeRequest { previous_text: true, ..asked() }, true, "previous_text"),
            (TranscribeRequest { voice_activity: false, ..asked() }, true, "voice_activity"),
            (TranscribeRequest { timestamps: Timestamps::Word, ..asked() }, false, "timestamps"),
            (TranscribeRequest { task: TranscribeTask::Translate, ..asked() }, true, "language"),
            (translate, false, "translate"),
        ] {
            let error = form("m", &request, b"", &timed(times), "x").unwrap_err();
            assert!(error.message().contains(field), "{error}");
        }
    }

    #[test]
    fn mistrals_form_has_no_format_and_no_prompt() {
        let manner = Manner {
            granularities: "timestamp_granularities".into(),
            timed_language: false,
            response_format: false,
            prompted: false,
            ..Manner::standard()
        };
        let plain = TranscribeRequest::default();
        let form = form("m", &plain, b"", &manner, "x").unwrap();
        let text = String::from_utf8_lossy(&form.body);
        assert!(text.contains("\"timestamp_granularities\"\r\n\r\nsegment"), "{text}");
        assert!(!text.contains("response_format"), "{text}");
        let refused = super::form("m", &asked(), b"", &manner, "x").unwrap_err();
        assert!(refused.message().contains("prompt"), "{refused}");
        // It refuses a language together with times.
        let german = TranscribeRequest { prompt: None, ..asked() };
        let form = super::form("m", &german, b"", &manner, "x").unwrap();
        let text = String::from_utf8_lossy(&form.body);
        assert!(text.contains("\"language\"\r\n\r\nde") && !text.contains("granularities"), "{text}");
        let words = TranscribeRequest { timestamps: Timestamps::Word, ..german };
        let refused = super::form("m", &words, b"", &manner, "x").unwrap_err();
        assert!(refused.message().contains("told the language"), "{refused}");
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
