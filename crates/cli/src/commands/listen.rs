//! `parasol listen`: what is said, written down while it is said, from a pipe, a file or the microphone.

use crate::args::{LineForm, ListenArgs};
use crate::exit::{Outcome, Stop};
use crate::interrupt::{Listener, Next};
use crate::models;
use crate::output;
use crate::terminal;
use futures_core::Stream;
use parasol_core::{
    Error, ErrorKind, EventStream, Result, Segment, SoundStream, Timestamps, TranscribeRequest,
};
use parasol_runtime::talk::{Caption, Captions, Ear, Line, TurnSettings};
use parasol_runtime::{Runtime, sound};
use parasol_wire::subtitles::Subtitles;
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Back to the beginning of a terminal's line, and nothing in it.
const CLEAR_LINE: &str = "\r\x1b[K";
/// Pieces of sound that may wait to be taken.
const AHEAD: usize = 64;
/// Sound that is held at most, in seconds; a line is cut long before.
const HELD: u32 = 120;
/// A line that lasts longer is cut: so much fits a model's window.
const LONGEST: Duration = Duration::from_secs(28);

/// Samples as they come, and how many of them make a second.
pub(super) struct Source {
    pub(super) rate: u32,
    pub(super) pieces: Receiver<Result<Vec<i16>>>,
    /// What has to live for as long as sound is wanted.
    pub(super) _keep: Option<Box<dyn std::any::Any>>,
}

/// Runs the command.
///
/// # Errors
/// When there is no sound, or the model cannot be had, does not listen or has no detector of voice activity; Ctrl-C ends it
/// in order, and at once when it is pressed again.
pub(crate) fn listen(runtime: &Runtime, args: &ListenArgs) -> Outcome {
    let file = args.file.as_ref().or(args.file_flag.as_ref());
    // Before a model is fetched: a file that cannot be read should cost nothing.
    let opened = file.map(|file| open(file, args.raw)).transpose()?;
    if opened.is_none() && args.raw.is_some() {
        let message = "--raw says how sound in a file or a pipe is written: name the file, or - for stdin";
        return Err(Error::new(ErrorKind::InvalidRequest, message).into());
    }
    if opened.is_none() {
        microphone_is_built_in()?;
    }
    let reference = match &args.model {
        Some(model) => model.clone(),
        None => runtime.default_ears()?,
    };
    if !runtime.is_here(&reference)? {
        models::pull(runtime, &reference, args.accept_licence)?;
    }
    let model = {
        let _spinner = models::spinner(&format!("loading {reference}"));
        runtime.ears(&reference, args.threads)?
    };
    let settings = TurnSettings {
        silence: Duration::from_millis(args.pause.into()),
        longest: Some(LONGEST),
        ..TurnSettings::default()
    };
    let Some(turns) = model.turns(settings) else {
        let message = format!(
            "{reference} comes without a detector of voice activity, which finds where a line ends: take whisper-base, or use \
             parasol transcribe"
        );
        return Err(Error::new(ErrorKind::Unsupported, message).into());
    };
    let source = match opened {
        Some(sound) => read(sound)?,
        None => microphone()?,
    };
    let mut ear = Ear::new(source.rate, HELD);
    ear.find(Some((turns, settings)))?;
    let request = TranscribeRequest {
        language: args.language.clone(),
        prompt: args.prompt.clone(),
        timestamps: Timestamps::Segment,
        ..TranscribeRequest::default()
    };
    let enough = Arc::new(AtomicBool::new(false));
    let pieces = EventStream::new(Pieces { pieces: source.pieces, enough: Arc::clone(&enough) });
    let captions = EventStream::new(Captions::new(Arc::new(model), request, ear, pieces));
    follow(captions, args.format, &enough)
}

fn open(file: &Path, raw: Option<u32>) -> Outcome<SoundStream> {
    let piped = file == Path::new("-");
    if piped && terminal::stdin() {
        let message = "there is no sound on a terminal: pipe it in, as in arecord … | parasol listen -";
        return Err(Stop::Failed(Error::new(ErrorKind::InvalidRequest, message)));
    }
    let within = |e: Error| e.within(if piped { "stdin".into() } else { file.display().to_string() });
    match (raw, piped) {
        (None, false) => Ok(sound::open(file)?),
        (None, true) => Ok(sound::read(std::io::stdin()).map_err(within)?),
        (Some(rate), true) => Ok(numbers(std::io::stdin(), rate)?),
        (Some(rate), false) => {
            let file = std::fs::File::open(file).map_err(|e| within(e.into()))?;
            Ok(numbers(file, rate)?)
        }
    }
}

/// Plain 16-bit numbers, as soon as they come.
fn numbers(mut from: impl Read + Send + 'static, rate: u32) -> Result<SoundStream> {
    if !sound::RATES.contains(&rate) {
        let (least, most) = (sound::RATES.start(), sound::RATES.end());
        let message = format!("--raw {rate}: rates from {least} to {most} Hz are taken");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let (mut rest, mut ended) = (Vec::new(), false);
    let pieces = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut bytes = vec![0; 4096];
        match from.read(&mut bytes) {
            Ok(0) => {
                ended = true;
                let odd = || Error::new(ErrorKind::Corrupt, "the sound ends within a number of 16 bits");
                (!rest.is_empty()).then(|| Err(odd()))
            }
            Ok(n) => {
                rest.extend_from_slice(&bytes[..n]);
                let whole = rest.len() / 2 * 2;
                let number = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
                let samples = rest[..whole].chunks_exact(2).map(number).collect();
                rest.drain(..whole);
                Some(Ok(samples))
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Some(Ok(Vec::new())),
            Err(e) => {
                ended = true;
                Some(Err(Error::from(e)))
            }
        }
    });
    Ok(SoundStream::new(rate, None, pieces))
}

/// Reads on a thread of its own: a pipe may have nothing for a while.
fn read(sound: SoundStream) -> Result<Source> {
    let rate = sound.rate();
    let (sender, pieces) = channel(AHEAD);
    std::thread::Builder::new()
        .name("parasol-sound".into())
        .spawn(move || hand_over(sound, &sender))
        .map_err(|e| Error::from(e).within("cannot start a thread to read the sound"))?;
    Ok(Source { rate, pieces, _keep: None })
}

fn hand_over(sound: SoundStream, sender: &Sender<Result<Vec<i16>>>) {
    for piece in sound {
        let piece = piece.map(|piece| piece.iter().map(|x| (x * 32_768.0) as i16).collect());
        // The receiver is gone when nobody wants more.
        if sender.blocking_send(piece).is_err() {
            return;
        }
    }
}

#[cfg(feature = "microphone")]
fn microphone_is_built_in() -> Result<()> {
    Ok(())
}

#[cfg(feature = "microphone")]
fn microphone() -> Result<Source> {
    super::microphone::open()
}

#[cfg(not(feature = "microphone"))]
fn microphone_is_built_in() -> Result<()> {
    microphone().map(drop)
}

#[cfg(not(feature = "microphone"))]
fn microphone() -> Result<Source> {
    let message = "this build does not hear the microphone: build it with `--features microphone` (on Linux with ALSA's headers, \
                   libasound2-dev), or pipe sound in, as in arecord -q -t raw -f S16_LE -r 16000 -c 1 | parasol listen - --raw 16000";
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// The pieces as a stream; once there is `enough`, it ends behind those that have come.
struct Pieces {
    pieces: Receiver<Result<Vec<i16>>>,
    enough: Arc<AtomicBool>,
}

impl Stream for Pieces {
    type Item = Result<Vec<i16>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.enough.load(Ordering::SeqCst) {
            self.pieces.close();
        }
        self.pieces.poll_recv(cx)
    }
}

/// Prints what is heard.
fn follow(mut captions: EventStream<Caption>, form: LineForm, enough: &AtomicBool) -> Outcome {
    let listener = Listener::new();
    let mut page = Page::new(form)?;
    loop {
        match listener.next(&mut captions) {
            Next::Interrupted => {
                listener.take();
                // There is no other way to stop listening to a microphone: what has been said is written down to its end.
                if enough.swap(true, Ordering::SeqCst) {
                    page.leave()?;
                    return Err(Stop::Interrupted);
                }
            }
            Next::End if enough.load(Ordering::SeqCst) => return Err(Stop::Interrupted),
            Next::End => return Ok(()),
            Next::Event(Ok(Caption::Nothing)) => page.nothing()?,
            Next::Event(Ok(Caption::Partial(words))) => page.partial(&words)?,
            Next::Event(Ok(Caption::Line(line))) => page.line(line)?,
            Next::Event(Err(error)) => {
                page.leave()?;
                return Err(error.into());
            }
        }
    }
}

struct Page {
    form: LineForm,
    subtitles: Option<Subtitles>,
    lines: usize,
    /// What stands on the terminal's line that is not whole yet.
    begun: String,
    /// Lines grow while they are said.
    grows: bool,
}

impl Page {
    fn new(form: LineForm) -> Outcome<Self> {
        let subtitles = match form {
            LineForm::Srt => Some(Subtitles::Srt),
            LineForm::Vtt => Some(Subtitles::Vtt),
            LineForm::Tsv => Some(Subtitles::Tsv),
            LineForm::Text | LineForm::Json => None,
        };
        if let Some(kind) = subtitles {
            output::write(kind.head())?;
        }
        let grows = form == LineForm::Text && terminal::stdout();
        Ok(Self { form, subtitles, lines: 0, begun: String::new(), grows })
    }

    fn partial(&mut self, words: &str) -> Outcome {
        if self.form == LineForm::Json {
            return output::line(&json!({ "event": "partial", "text": words }).to_string());
        }
        if self.grows {
            self.begun.push_str(words);
            output::write_foreign(words)?;
        }
        Ok(())
    }

    /// The line that was begun is none.
    fn nothing(&mut self) -> Outcome {
        if self.form == LineForm::Json {
            return output::line(&json!({ "event": "nothing" }).to_string());
        }
        if std::mem::take(&mut self.begun).is_empty() { Ok(()) } else { output::write(CLEAR_LINE) }
    }

    fn line(&mut self, line: Line) -> Outcome {
        let begun = std::mem::take(&mut self.begun);
        self.lines += 1;
        if let Some(kind) = self.subtitles {
            let Line { start, end, text, .. } = line;
            let segment = Segment { id: self.lines - 1, start, end, text, ..Segment::default() };
            return output::write_foreign(&kind.segment(&segment, false));
        }
        if self.form == LineForm::Json {
            let Line { start, end, text, language } = line;
            let line =
                json!({ "event": "line", "start": start, "end": end, "text": text, "language": language });
            return output::line(&line.to_string());
        }
        match line.text.strip_prefix(&begun) {
            Some(rest) => output::write_foreign(&format!("{rest}\n")),
            // It turned out otherwise than it began.
            None => {
                output::write(CLEAR_LINE).and_then(|()| output::write_foreign(&format!("{}\n", line.text)))
            }
        }
    }

    /// Whoever writes next begins on a line of their own.
    fn leave(&mut self) -> Outcome {
        if std::mem::take(&mut self.begun).is_empty() { Ok(()) } else { output::write("\n") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn enough_is_an_end_behind_what_has_come() {
        let (sender, pieces) = channel(AHEAD);
        let enough = Arc::new(AtomicBool::new(false));
        let mut pieces = Pieces { pieces, enough: Arc::clone(&enough) };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut next = || Pin::new(&mut pieces).poll_next(&mut cx).map(|piece| piece.map(Result::unwrap));
        assert_eq!(next(), Poll::Pending);
        sender.try_send(Ok(vec![1])).unwrap();
        enough.store(true, Ordering::SeqCst);
        assert_eq!((next(), next()), (Poll::Ready(Some(vec![1])), Poll::Ready(None)));
        assert!(sender.try_send(Ok(vec![2])).is_err());
    }
}
