//! `parasol speak`: a text read aloud into a file or a pipe, sentence by sentence.

use crate::args::SpeakArgs;
use crate::exit::{Outcome, Stop};
use crate::input;
use crate::interrupt::Listener;
use crate::models;
use crate::output;
use crate::sink::Sink;
use crate::terminal::{self, Style};
use parasol_core::{
    Error, ErrorKind, EventStream, Speak, SpeakRequest, SpeechEvent, SpeechTimings, SpeechUsage,
};
use parasol_runtime::sound::{SoundFormat, SoundWriter};
use parasol_runtime::speech::Speaker;
use parasol_runtime::{Owner, Runtime};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// Runs the command.
///
/// # Errors
/// When there is no text, the voice cannot say it, or the sound cannot be written; Ctrl-C.
pub(crate) fn speak(runtime: &Runtime, args: &SpeakArgs) -> Outcome {
    let quiet = args.phonemes || args.list_voices;
    let format = if quiet { SoundFormat::Wav } else { format(args)? };
    if !quiet && args.output.is_none() && terminal::stdout() {
        return Err(Stop::wrong(
            "sound does not go to a terminal: write it to a file, as in -o hello.wav, or pipe it to a player",
        ));
    }
    let text = match args.list_voices {
        true => String::new(),
        false => input::given(args.text.as_deref(), "text", "parasol speak \"Hello there\" -o hello.wav")?,
    };
    let reference = match &args.model {
        Some(model) => model.clone(),
        None => runtime.voice_model(&Owner::House, args.voice.as_deref())?,
    };
    let speaker = open(runtime, args, &reference)?;
    if args.list_voices {
        return list(runtime, speaker.voice());
    }
    if args.phonemes {
        let Source::Here(speaker) = &speaker else {
            let message =
                "a voice elsewhere keeps its phonemes to itself: --phonemes is for voices on this machine";
            return Err(Stop::Failed(Error::new(ErrorKind::Unsupported, message)));
        };
        return speaker.phonemes(&text)?.iter().try_for_each(|sentence| output::line(sentence));
    }
    let mut request = SpeakRequest {
        text,
        voice: args.voice.clone(),
        language: args.language.clone(),
        speed: args.speed,
        volume: args.volume,
        seed: args.seed,
        ..SpeakRequest::default()
    };
    runtime.imitate(&Owner::House, &reference, speaker.voice(), &mut request)?;
    if let Source::Here(speaker) = &speaker {
        // Before anything is computed: a rate that the format does not have.
        SoundWriter::new(format, speaker.rate())?;
    }
    let stream = speaker.voice().speak(request)?;
    let mut sink = Sink::open(args.output.as_deref())?;
    // What was begun and did not end is no sound: then nothing of it is left beside the name.
    follow(stream, format, &mut sink, args.stats)?;
    end(sink, format)
}

/// The format that is asked for: by name, by the file's ending, else WAV.
fn format(args: &SpeakArgs) -> Outcome<SoundFormat> {
    let ending = args.output.as_deref().and_then(Path::extension).map(|e| e.to_string_lossy().into_owned());
    match args.format.as_ref().or(ending.as_ref()) {
        Some(name) => Ok(name.parse()?),
        None => Ok(SoundFormat::Wav),
    }
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

fn open(runtime: &Runtime, args: &SpeakArgs, reference: &str) -> Outcome<Source> {
    if let Some(model) = runtime.far_voice(reference)? {
        if args.threads.is_some() {
            output::note("--threads has no effect: this voice is computed elsewhere");
        }
        return Ok(Source::Far(model));
    }
    if !runtime.is_here(reference)? {
        models::pull(runtime, reference, args.accept_licence)?;
    }
    let _spinner = models::spinner(&format!("loading {reference}"));
    Ok(Source::Here(runtime.speaker(reference, args.threads)?))
}

/// The model's voices, and those that were added where it imitates.
fn list(runtime: &Runtime, speaker: &dyn Speak) -> Outcome {
    let mut rows = vec![vec!["VOICE".to_owned(), "LANGUAGE".to_owned(), "WHAT".to_owned()]];
    rows.extend(
        speaker.voices().into_iter().map(|voice| vec![voice.name, voice.language, voice.description]),
    );
    if speaker.imitates() {
        let added = runtime.kept_voices().list(&Owner::House)?;
        rows.extend(added.into_iter().map(|voice| vec![voice.name, String::new(), "added".to_owned()]));
    }
    rows.iter_mut().flatten().for_each(|cell| *cell = terminal::harmless(cell).into_owned());
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
    while let Some(event) = listener.event(&mut stream)? {
        match event {
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

/// The sound is complete. A WAV file gets its length, which a pipe cannot have.
fn end(sink: Sink, format: SoundFormat) -> Outcome {
    sink.end(|file| if format == SoundFormat::Wav { set_length(file) } else { Ok(()) })
}

fn set_length(file: &mut File) -> io::Result<()> {
    // More than 4 GB has no length in WAV: the header stays as in a stream.
    let Ok(length) = u32::try_from(file.metadata()?.len()) else { return Ok(()) };
    for (at, less) in [(4, 8), (40, 44)] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&length.saturating_sub(less).to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sound() -> Vec<u8> {
        let mut writer = SoundWriter::new(SoundFormat::Wav, 16_000).unwrap();
        let mut bytes = writer.push(&[0.25; 100]).unwrap();
        bytes.extend(writer.finish().unwrap());
        bytes
    }

    /// Whether these are the bytes of a WAV file that knows its length.
    fn is_whole(bytes: &[u8]) -> bool {
        let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        bytes.len() == sound().len() && length(4) == bytes.len() - 8 && length(40) == bytes.len() - 44
    }

    #[test]
    fn a_file_is_replaced_by_a_whole_sound_and_by_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello.wav");
        std::fs::write(&path, "old").unwrap();
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write(&sound()).unwrap();
        drop(sink);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write(&sound()).unwrap();
        end(sink, SoundFormat::Wav).unwrap();
        assert!(is_whole(&std::fs::read(&path).unwrap()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_what_it_leads_to_gets_the_sound() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("hello.wav"), folder.path().join("link.wav"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        // Whether there is something at its end or not.
        for _ in 0..2 {
            let mut sink = Sink::open(Some(&link)).unwrap();
            sink.write(&sound()).unwrap();
            end(sink, SoundFormat::Wav).unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(is_whole(&std::fs::read(&path).unwrap()));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}
