//! `parasol speak`: a text read aloud into a file or a pipe, sentence by sentence.

use crate::args::SpeakArgs;
use crate::exit::{Outcome, Stop};
use crate::input::{self, Prompt};
use crate::interrupt::{Listener, Next};
use crate::models;
use crate::output;
use crate::terminal::{self, Style};
use parasol_core::{
    Error, ErrorKind, EventStream, Speak, SpeakRequest, SpeechEvent, SpeechTimings, SpeechUsage,
};
use parasol_runtime::Runtime;
use parasol_runtime::sound::{SoundFormat, SoundWriter};
use parasol_runtime::speech::Speaker;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn wrong(message: &str) -> Stop {
    Stop::Failed(Error::new(ErrorKind::InvalidRequest, message))
}

/// Runs the command.
///
/// # Errors
/// When there is no text, the voice cannot say it, or the sound cannot be written; Ctrl-C.
pub(crate) fn speak(runtime: &Runtime, args: &SpeakArgs) -> Outcome {
    let quiet = args.phonemes || args.list_voices;
    let format = if quiet { SoundFormat::Wav } else { format(args)? };
    if !quiet && args.output.is_none() && terminal::stdout() {
        return Err(wrong(
            "sound does not go to a terminal: write it to a file, as in -o hello.wav, or pipe it to a player",
        ));
    }
    let text = if args.list_voices { String::new() } else { text(args)? };
    let speaker = open(runtime, args)?;
    if args.list_voices {
        return list(speaker.voice());
    }
    if args.phonemes {
        let Source::Here(speaker) = &speaker else {
            let message =
                "a voice elsewhere keeps its phonemes to itself: --phonemes is for voices on this machine";
            return Err(Stop::Failed(Error::new(ErrorKind::Unsupported, message)));
        };
        return speaker.phonemes(&text)?.iter().try_for_each(|sentence| output::line(sentence));
    }
    let request = SpeakRequest {
        text,
        voice: args.voice.clone(),
        language: args.language.clone(),
        speed: args.speed,
        volume: args.volume,
        seed: args.seed,
        ..SpeakRequest::default()
    };
    if let Source::Here(speaker) = &speaker {
        // Before anything is computed: a rate that the format does not have.
        SoundWriter::new(format, speaker.rate())?;
    }
    let stream = speaker.voice().speak(request)?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let outcome = follow(stream, format, &mut sink, args.stats);
    match outcome {
        Ok(()) => sink.end(format),
        Err(stop) => {
            sink.discard();
            Err(stop)
        }
    }
}

/// The format that is asked for: by name, by the file's ending, else WAV.
fn format(args: &SpeakArgs) -> Outcome<SoundFormat> {
    let ending = args.output.as_deref().and_then(Path::extension).map(|e| e.to_string_lossy().into_owned());
    match args.format.as_ref().or(ending.as_ref()) {
        Some(name) => Ok(name.parse()?),
        None => Ok(SoundFormat::Wav),
    }
}

fn text(args: &SpeakArgs) -> Outcome<String> {
    if let Some(text) = &args.text {
        input::check(text.as_bytes(), "the text")?;
        return Ok(text.clone());
    }
    if terminal::stdin() {
        return Err(wrong(
            "there is no text: write one after the command, as in parasol speak \"Hello there\" -o hello.wav, or pipe it in",
        ));
    }
    Ok(Prompt::gather(&[], None)?.stdin.unwrap_or_default())
}

/// What speaks.
enum Source {
    Here(Speaker),
    Far(Arc<dyn Speak>),
}

impl Source {
    fn voice(&self) -> &dyn Speak {
        match self {
            Self::Here(speaker) => speaker,
            Self::Far(model) => &**model,
        }
    }
}

fn open(runtime: &Runtime, args: &SpeakArgs) -> Outcome<Source> {
    let reference = match &args.model {
        Some(model) => model.clone(),
        None => runtime.default_voice()?,
    };
    if let Some(model) = runtime.far_voice(&reference)? {
        if args.threads.is_some() {
            output::note("--threads has no effect: this voice is computed elsewhere");
        }
        return Ok(Source::Far(model));
    }
    if !runtime.is_here(&reference)? {
        models::pull(runtime, &reference, args.accept_licence)?;
    }
    let _spinner = models::spinner(&format!("loading {reference}"));
    Ok(Source::Here(runtime.speaker(&reference, args.threads)?))
}

fn list(speaker: &dyn Speak) -> Outcome {
    let mut rows = vec![vec!["VOICE".to_owned(), "LANGUAGE".to_owned(), "WHAT".to_owned()]];
    rows.extend(
        speaker.voices().into_iter().map(|voice| vec![voice.name, voice.language, voice.description]),
    );
    output::write(&output::table(&rows, &[], Style::stdout()))
}

/// Writes the sound as it comes and tells how far it is.
fn follow(
    mut stream: EventStream<SpeechEvent>,
    format: SoundFormat,
    sink: &mut Sink,
    stats: bool,
) -> Outcome {
    let listener = Listener::new();
    let spinner = models::spinner("speaking");
    let (mut total, mut rate, mut samples, mut seed) = (0, 1, 0usize, 0);
    let mut writer = None;
    let early = || Error::new(ErrorKind::Internal, "sound came before its rate was told");
    loop {
        match listener.next(&mut stream) {
            Next::Interrupted => {
                listener.take();
                return Err(Stop::Interrupted);
            }
            Next::End => break,
            Next::Event(event) => match event? {
                SpeechEvent::Started { total: all, rate: r, seed: s, .. } => {
                    (total, rate, seed) = (all, r, s);
                    writer = Some(SoundWriter::new(format, rate)?);
                }
                SpeechEvent::Audio { samples: piece, done } => {
                    samples += piece.len();
                    let seconds = samples as f64 / f64::from(rate);
                    spinner.say(&format!(
                        "{:.0} % of the text, {seconds:.0} s of sound",
                        100.0 * done as f64 / total.max(1) as f64
                    ));
                    sink.write(&writer.as_mut().ok_or_else(early)?.push(&piece)?)?;
                }
                SpeechEvent::Finished { usage, timings } => {
                    drop(spinner);
                    sink.write(&writer.take().ok_or_else(early)?.finish()?)?;
                    tell(&usage, &timings, seed, stats);
                    return Ok(());
                }
            },
        }
    }
    Err(Stop::Failed(Error::new(ErrorKind::Internal, "the voice stopped before the text was said")))
}

fn tell(usage: &SpeechUsage, timings: &SpeechTimings, seed: u64, stats: bool) {
    if !usage.unspoken.is_empty() {
        let shown: String = usage.unspoken.chars().take(40).collect();
        output::note(&terminal::harmless(&format!(
            "the voice has no sound for {shown:?}, which were left out"
        )));
    }
    if stats {
        let seconds = timings.total.as_secs_f64().max(1e-9);
        output::note(&format!(
            "{} of sound in {} ({:.0} times real time), the first after {}; seed {seed}{}",
            output::duration(usage.audio),
            output::duration(timings.total),
            usage.audio.as_secs_f64() / seconds,
            output::duration(timings.first_audio),
            usage.cost.map(|cost| format!("; {cost}")).unwrap_or_default(),
        ));
    }
}

/// Where the sound goes.
enum Sink {
    Pipe(io::Stdout),
    /// Written in place, such as a device …
    Device(File, PathBuf),
    /// … or beside the file and moved there at the end, so that a sound that fails leaves what was there.
    File {
        file: File,
        beside: PathBuf,
        path: PathBuf,
    },
}

impl Sink {
    fn open(path: Option<&Path>) -> Outcome<Self> {
        let Some(path) = path else { return Ok(Self::Pipe(io::stdout())) };
        let cannot = |e| Error::from(e).within(format!("cannot write {}", path.display()));
        if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Ok(Self::Device(File::create(path).map_err(cannot)?, path.to_owned()));
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.part", std::process::id()));
        let beside = PathBuf::from(beside);
        let file = File::create(&beside).map_err(cannot)?;
        Ok(Self::File { file, beside, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Pipe(out) => {
                out.write_all(bytes)?;
                Ok(out.flush()?)
            }
            Self::Device(file, path) | Self::File { file, path, .. } => file
                .write_all(bytes)
                .map_err(|e| Error::from(e).within(format!("cannot write {}", path.display())).into()),
        }
    }

    /// A WAV file gets its length, which a pipe cannot have, and what was written beside its name.
    fn end(self, format: SoundFormat) -> Outcome {
        let Self::File { file, beside, path } = self else { return Ok(()) };
        let done = match format {
            SoundFormat::Wav => set_length(file),
            _ => Ok(()),
        };
        done.and_then(|()| std::fs::rename(&beside, &path)).map_err(|e| {
            // Best effort: the error that led here is the one to report.
            let _ = std::fs::remove_file(&beside);
            Error::from(e).within(format!("cannot write {}", path.display())).into()
        })
    }

    /// What was begun and did not end is no sound.
    fn discard(self) {
        if let Self::File { file, beside, .. } = self {
            drop(file);
            // Best effort: the error that led here is the one to report.
            let _ = std::fs::remove_file(beside);
        }
    }
}

fn set_length(mut file: File) -> io::Result<()> {
    // More than 4 GB has no length in WAV: the header stays as in a stream.
    let Ok(length) = u32::try_from(file.metadata()?.len()) else { return Ok(()) };
    for (at, less) in [(4, 8), (40, 44)] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&length.saturating_sub(less).to_le_bytes())?;
    }
    Ok(())
}
