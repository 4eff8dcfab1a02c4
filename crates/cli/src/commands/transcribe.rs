//! `parasol transcribe`: what is said in a file or a stream, as text or subtitles, as it is heard.

use crate::args::{TranscribeArgs, TranscriptForm};
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::models;
use crate::output;
use crate::terminal::{self, Style};
use parasol_core::{
    Error, ErrorKind, Segment, SoundStream, Timestamps, Transcribe, TranscribeRequest, TranscribeTask,
    TranscriptEvent, TranscriptTimings, TranscriptUsage,
};
use parasol_runtime::{Runtime, sound};
use parasol_wire::subtitles::Subtitles;
use serde_json::json;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// When the sound cannot be read, or the model cannot be had or refuses the request; Ctrl-C.
pub(crate) fn transcribe(runtime: &Runtime, args: &TranscribeArgs) -> Outcome {
    // Before a model is fetched: a file that cannot be read should cost nothing.
    let sound = open(&args.file, "transcribe")?;
    let reference = match &args.model {
        Some(model) => model.clone(),
        None => runtime.default_ears()?,
    };
    if let Some(far) = runtime.far_ears(&reference)? {
        return follow(far.transcribe(sound, request(args))?, args);
    }
    if !runtime.is_here(&reference)? {
        models::pull(runtime, &reference, args.accept_licence)?;
    }
    let model = {
        let _spinner = models::spinner(&format!("loading {reference}"));
        runtime.ears(&reference, args.threads)?
    };
    if !args.no_voice_activity && !model.has_voice_activity() {
        output::note(
            "this model comes without a detector of voice activity: windows of 30 seconds are transcribed",
        );
    }
    let stream = model.transcribe(sound, request(args))?;
    follow(stream, args)
}

/// The sound of a file, or of a pipe where it is `-`, for this command.
pub(super) fn open(file: &Path, command: &str) -> Outcome<SoundStream> {
    if file != Path::new("-") {
        return Ok(sound::open(file)?);
    }
    if terminal::stdin() {
        let message =
            format!("there is no sound on a terminal: pipe a file in, as in parasol {command} - < talk.mp3");
        return Err(Stop::Failed(Error::new(ErrorKind::InvalidRequest, message)));
    }
    Ok(sound::read(std::io::stdin()).map_err(|e| e.within("stdin"))?)
}

fn request(args: &TranscribeArgs) -> TranscribeRequest {
    TranscribeRequest {
        language: args.language.clone(),
        task: if args.translate { TranscribeTask::Translate } else { TranscribeTask::Transcribe },
        timestamps: if args.word_timestamps { Timestamps::Word } else { Timestamps::Segment },
        prompt: args.prompt.clone(),
        temperature: args.temperature,
        beam: args.beam,
        previous_text: args.previous_text,
        voice_activity: !args.no_voice_activity,
        seed: args.seed,
        ..TranscribeRequest::default()
    }
}

/// What `--format json` tells at the end.
#[derive(Default)]
struct Whole {
    head: serde_json::Value,
    segments: Vec<Segment>,
}

/// Prints segments as they come and tells how far it is.
fn follow(mut stream: parasol_core::EventStream<TranscriptEvent>, args: &TranscribeArgs) -> Outcome {
    let listener = Listener::new();
    let spinner = models::spinner("listening");
    let mut whole = Whole::default();
    let kind = match args.format {
        TranscriptForm::Srt => Some(Subtitles::Srt),
        TranscriptForm::Vtt => Some(Subtitles::Vtt),
        TranscriptForm::Tsv => Some(Subtitles::Tsv),
        _ => None,
    };
    if let Some(kind) = kind {
        output::write(kind.head())?;
    }
    while let Some(event) = listener.event(&mut stream)? {
        match event {
            TranscriptEvent::Started { model, language, language_probability, duration, seed } => {
                whole.head = json!({ "model": model, "language": language,
                    "language_probability": language_probability, "duration": duration, "seed": seed });
            }
            TranscriptEvent::Progress { done, total } => spinner.say(&far(done, total)),
            TranscriptEvent::Segment(segment) => match (args.format, kind) {
                (_, Some(kind)) => output::write_foreign(&kind.segment(&segment, args.word_timestamps))?,
                (TranscriptForm::Text, _) => output::write_foreign(&text(&segment))?,
                _ => whole.segments.push(segment),
            },
            TranscriptEvent::Finished { usage, timings } => {
                drop(spinner);
                if args.format == TranscriptForm::Json {
                    whole.print(&usage, &timings)?;
                }
                if args.stats {
                    output::note(&Style::stderr().dim(&stats(&usage, &timings)));
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Whole {
    fn print(&self, usage: &TranscriptUsage, timings: &TranscriptTimings) -> Outcome {
        let mut value = self.head.clone();
        let text: String = self.segments.iter().map(|s| s.text.as_str()).collect();
        value["text"] = json!(text.trim());
        value["segments"] = serde_json::to_value(&self.segments)?;
        value["usage"] = serde_json::to_value(TranscriptUsage { cost: None, ..*usage })?;
        if let Some(cost) = usage.cost {
            value["usage"]["cost_usd"] = cost.as_dollars().into();
        }
        value["timings"] = serde_json::to_value(timings)?;
        output::json(&value)
    }
}

/// A segment on its line; with its words' times below, where they were asked for.
fn text(segment: &Segment) -> String {
    if segment.words.is_empty() {
        return format!("{}\n", segment.text.trim());
    }
    let words = segment.words.iter().map(|w| format!("{:9.2} {:9.2}  {}\n", w.start, w.end, w.word.trim()));
    words.collect()
}

fn far(done: f64, total: Option<f64>) -> String {
    match total {
        Some(total) if total > 0.0 => format!("{:.0} % of {total:.0} s", (100.0 * done / total).min(100.0)),
        _ => format!("{done:.0} s"),
    }
}

fn stats(usage: &TranscriptUsage, timings: &TranscriptTimings) -> String {
    format!(
        "{:.1} s of sound, {:.1} s of them speech · listening {} · encoding {} · writing {} ({} tokens) · first segment {}{}",
        usage.seconds,
        usage.speech_seconds,
        output::duration(timings.listen),
        output::duration(timings.encode),
        output::duration(timings.decode),
        usage.generated_tokens,
        output::duration(timings.first_segment),
        usage.cost.map(|cost| format!(" · {cost}")).unwrap_or_default(),
    )
}
