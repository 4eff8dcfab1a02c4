//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`: the fields of the form and the shapes of the answer.

use crate::sse::SseEvent;
use crate::subtitles::Subtitles;
use parasol_core::{
    Error, ErrorKind, Result, Segment, Timestamps, TranscribeRequest, TranscribeTask, TranscriptEvent,
    TranscriptUsage, Word,
};
use serde_json::{Value, json};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{"text": …}`
    Json,
    /// The text alone.
    Text,
    /// Everything that is known.
    Verbose,
    /// Subtitles.
    Subtitles(Subtitles),
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::Verbose => "application/json",
            Self::Subtitles(Subtitles::Vtt) => "text/vtt; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// A request, read.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionCall {
    /// The model that is asked.
    pub model: String,
    /// What it is asked for; the sound comes beside it.
    pub request: TranscribeRequest,
    /// How it is answered.
    pub form: Form,
    /// As server-sent events while it is written.
    pub stream: bool,
    /// Which of words and segments `verbose_json` holds.
    words: bool,
    segments: bool,
}

impl TranscriptionCall {
    /// Reads the fields of the form, the file left out.
    ///
    /// # Errors
    /// `InvalidRequest` for what is missing, unknown or wrong, naming it.
    pub fn read(fields: &[(String, String)], task: TranscribeTask) -> Result<Self> {
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        let mut call = Self {
            model: String::new(),
            request: TranscribeRequest { task, ..TranscribeRequest::default() },
            form: Form::Json,
            stream: false,
            words: false,
            segments: false,
        };
        for (name, value) in fields {
            let (name, value) = (name.trim_end_matches("[]"), value.trim());
            match name {
                "model" => call.model = value.to_owned(),
                "language" if !value.is_empty() => call.request.language = Some(value.to_owned()),
                "prompt" if !value.is_empty() => call.request.prompt = Some(value.to_owned()),
                "language" | "prompt" => {}
                // OpenAI's default, 0, means that warmer ones are tried where the text looks wrong.
                "temperature" => match value.parse::<f32>() {
                    Ok(0.0) => {}
                    Ok(t) if (0.0..=1.0).contains(&t) => call.request.temperature = Some(t),
                    _ => return wrong(format!("temperature is {value:?}: it is a number from 0 to 1")),
                },
                "response_format" => call.form = form(value)?,
                "stream" => match value {
                    "true" | "True" | "1" => call.stream = true,
                    "false" | "False" | "0" | "" => {}
                    _ => return wrong(format!("stream is {value:?}: it is true or false")),
                },
                "timestamp_granularities" => match value {
                    "word" => call.words = true,
                    "segment" => call.segments = true,
                    _ => {
                        return wrong(format!(
                            "timestamp_granularities holds {value:?}: word and segment are known"
                        ));
                    }
                },
                // Where silence is, is always looked for; and nothing here tells speakers apart.
                "chunking_strategy" if value == "auto" || value.contains("server_vad") => {}
                other => return wrong(format!("{other} is not known here: leave it out")),
            }
        }
        if call.model.is_empty() {
            return wrong("model is missing: name one, such as whisper-base".into());
        }
        if (call.words || call.segments) && call.form != Form::Verbose {
            return wrong("timestamp_granularities needs response_format verbose_json".into());
        }
        if call.stream && !matches!(call.form, Form::Json | Form::Text) {
            return wrong("stream is answered with text: take response_format json or text".into());
        }
        call.request.timestamps = match call.words {
            true => Timestamps::Word,
            false => Timestamps::Segment,
        };
        Ok(call)
    }

    /// Gathers the events of an answer.
    pub fn answer(&self) -> Transcript {
        Transcript {
            call: self.clone(),
            language: None,
            segments: Vec::new(),
            usage: TranscriptUsage::default(),
        }
    }
}

fn form(name: &str) -> Result<Form> {
    match name {
        "json" | "" => Ok(Form::Json),
        "text" => Ok(Form::Text),
        "verbose_json" => Ok(Form::Verbose),
        "srt" => Ok(Form::Subtitles(Subtitles::Srt)),
        "vtt" => Ok(Form::Subtitles(Subtitles::Vtt)),
        other => {
            let message =
                format!("response_format is {other:?}: json, text, srt, verbose_json and vtt are answered");
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
    }
}

/// An answer as it grows.
#[derive(Debug, Clone)]
pub struct Transcript {
    call: TranscriptionCall,
    language: Option<String>,
    segments: Vec<Segment>,
    usage: TranscriptUsage,
}

impl Transcript {
    /// Takes the next event; returns what a stream says about it. `name` gives a language's English name.
    pub fn push(
        &mut self,
        event: TranscriptEvent,
        name: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<SseEvent> {
        match event {
            TranscriptEvent::Started { language, .. } => {
                self.language = language.map(|code| name(&code).map_or(code, str::to_owned));
                Vec::new()
            }
            TranscriptEvent::Progress { .. } => Vec::new(),
            TranscriptEvent::Segment(segment) => {
                let text = if self.segments.is_empty() { segment.text.trim_start() } else { &segment.text };
                let delta = SseEvent::json(&json!({ "type": "transcript.text.delta", "delta": text }));
                self.segments.push(segment);
                vec![delta]
            }
            TranscriptEvent::Finished { usage, .. } => {
                self.usage = usage;
                let done =
                    json!({ "type": "transcript.text.done", "text": self.text(), "usage": self.duration() });
                vec![SseEvent::json(&done)]
            }
        }
    }

    fn text(&self) -> String {
        self.segments.iter().map(|s| s.text.as_str()).collect::<String>().trim().to_owned()
    }

    fn duration(&self) -> Value {
        json!({ "type": "duration", "seconds": self.usage.seconds.ceil() })
    }

    /// The whole answer.
    pub fn finish(&self) -> String {
        match self.call.form {
            Form::Json => json!({ "text": self.text(), "usage": self.duration() }).to_string(),
            Form::Text => format!("{}\n", self.text()),
            Form::Verbose => self.verbose().to_string(),
            Form::Subtitles(kind) => {
                let cues = self.segments.iter().map(|segment| kind.segment(segment, false));
                std::iter::once(kind.head().to_owned()).chain(cues).collect()
            }
        }
    }

    fn verbose(&self) -> Value {
        let task = match self.call.request.task {
            TranscribeTask::Transcribe => "transcribe",
            TranscribeTask::Translate => "translate",
        };
        let mut whole = json!({
            "task": task,
            "language": self.language.as_deref().unwrap_or("unknown"),
            "duration": self.usage.seconds,
            "text": self.text(),
            "usage": self.duration(),
        });
        if self.call.segments || !self.call.words {
            whole["segments"] = self.segments.iter().map(segment).collect();
        }
        if self.call.words {
            let words = self.segments.iter().flat_map(|s| &s.words);
            whole["words"] = words.map(word).collect();
        }
        whole
    }
}

fn segment(it: &Segment) -> Value {
    json!({
        "id": it.id,
        // Where its window begins is not kept.
        "seek": 0,
        "start": it.start,
        "end": it.end,
        "text": it.text,
        "tokens": it.tokens,
        "temperature": it.temperature,
        "avg_logprob": it.avg_logprob,
        "compression_ratio": it.compression_ratio,
        "no_speech_prob": it.no_speech_prob,
    })
}

fn word(it: &Word) -> Value {
    json!({ "word": it.word.trim(), "start": it.start, "end": it.end })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<TranscriptionCall> {
        let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        TranscriptionCall::read(&fields, TranscribeTask::Transcribe)
    }

    #[test]
    fn fields_are_read_and_what_is_wrong_is_named() {
        let call = read(&[
            ("model", "whisper-1"),
            ("language", "de"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("temperature", "0.2"),
        ])
        .unwrap();
        assert_eq!(call.request.timestamps, Timestamps::Word);
        assert_eq!((call.request.temperature, call.request.language.as_deref()), (Some(0.2), Some("de")));
        for (fields, says) in [
            (&[("language", "de")][..], "model is missing"),
            (&[("model", "m"), ("temperature", "hot")], "temperature"),
            (&[("model", "m"), ("response_format", "mp3")], "response_format"),
            (&[("model", "m"), ("timestamp_granularities[]", "word")], "verbose_json"),
            (&[("model", "m"), ("stream", "true"), ("response_format", "srt")], "stream"),
            (&[("model", "m"), ("known_speaker_names[]", "x")], "known_speaker_names"),
        ] {
            let error = read(fields).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn answers_have_the_shape_that_is_asked_for() {
        let events = |call: &TranscriptionCall| {
            let mut answer = call.answer();
            let word = Word { word: " Hi".into(), start: 0.1, end: 0.5, probability: 0.9 };
            let segment = Segment {
                start: 0.0,
                end: 1.0,
                text: " Hi.".into(),
                words: vec![word],
                ..Segment::default()
            };
            let (usage, timings) =
                (TranscriptUsage { seconds: 1.2, ..Default::default() }, Default::default());
            let mut said = Vec::new();
            for event in [
                TranscriptEvent::Started {
                    model: "m".into(),
                    language: Some("en".into()),
                    language_probability: None,
                    duration: None,
                    seed: 1,
                },
                TranscriptEvent::Segment(segment),
                TranscriptEvent::Finished { usage, timings },
            ] {
                said.extend(answer.push(event, |_| Some("english")));
            }
            (answer.finish(), said)
        };
        let (text, said) = events(&read(&[("model", "m"), ("response_format", "text")]).unwrap());
        assert_eq!(text, "Hi.\n");
        assert_eq!(said.len(), 2);
        assert!(said[0].data.contains("transcript.text.delta") && said[0].data.contains("\"Hi.\""));
        let verbose = read(&[
            ("model", "m"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
        ]);
        let value: Value = serde_json::from_str(&events(&verbose.unwrap()).0).unwrap();
        assert_eq!(
            (value["language"].as_str(), value["words"][0]["word"].as_str()),
            (Some("english"), Some("Hi"))
        );
        assert!(value.get("segments").is_none());
        let (srt, _) = events(&read(&[("model", "m"), ("response_format", "srt")]).unwrap());
        assert_eq!(srt, "1\n00:00:00,000 --> 00:00:01,000\nHi.\n\n");
    }
}
