//! `parasol film`: a film that a provider makes, into a file or a pipe.

use crate::args::FilmArgs;
use crate::exit::{Outcome, Stop};
use crate::input;
use crate::interrupt::{Listener, Next};
use crate::models;
use crate::output;
use crate::sink::Sink;
use crate::terminal::{self, harmless};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parasol_core::{
    Error, ErrorKind, EventStream, Film, FilmEvent, FilmRequest, FilmTimings, FilmUsage, FirstFrame,
};
use parasol_runtime::{RemoteModel, Runtime};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// When there is no text, the film is not made, or it cannot be written; Ctrl-C, which ends the job.
pub(crate) fn film(runtime: &Runtime, args: &FilmArgs) -> Outcome {
    if !args.detach {
        check_output(args.output.as_deref())?;
    }
    let request = FilmRequest {
        prompt: input::given(args.text.as_deref(), "text", "parasol film \"A cat\" -o film.mp4")?,
        negative_prompt: args.negative_prompt.clone(),
        first_frame: args.first_frame.as_deref().map(picture).transpose()?,
        size: args.size,
        seconds: args.seconds,
        seed: args.seed,
        ..FilmRequest::default()
    };
    let model = runtime.filmer(&args.model)?;
    // What nobody came for goes in time, also where no server sweeps.
    runtime.far().films().sweep()?;
    if args.detach {
        let job = began(&model, &mut model.film(request)?)?;
        return output::line(&job);
    }
    // Before anything is asked for, which costs money.
    request.check()?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let job = match follow(model.film(request)?, &mut sink, args.stats) {
        Ok(job) => job,
        Err(Left::Stopped(job)) => return Err(ended(&model, &job)),
        Err(Left::Failed(stop)) => return Err(stop),
    };
    sink.end(|_| Ok(()))?;
    Ok(runtime.far().films().forget(&job)?)
}

/// A film does not go to a terminal.
///
/// # Errors
/// When it would.
pub(crate) fn check_output(path: Option<&Path>) -> Outcome {
    if path.is_none() && terminal::stdout() {
        return Err(Stop::wrong(
            "a film does not go to a terminal: write it to a file, as in -o film.mp4, or pipe it to a player",
        ));
    }
    Ok(())
}

fn picture(path: &Path) -> Outcome<FirstFrame> {
    // What is larger the request's check tells.
    let frame = FirstFrame { bytes: input::read_bytes(path, FirstFrame::LARGEST as u64)? };
    match frame.media_type() {
        Some(_) => Ok(frame),
        None => {
            Err(Stop::wrong(format!("{} is no PNG, JPEG or WebP file, by its first bytes", path.display())))
        }
    }
}

/// Waits until the provider has taken the job. Ctrl-C before that ends it as soon as there is something to end.
fn began(model: &RemoteModel, stream: &mut EventStream<FilmEvent>) -> Outcome<String> {
    let listener = Listener::new();
    let _spinner = models::spinner("asking for a film");
    let mut pressed = false;
    loop {
        match listener.next(stream) {
            Next::Interrupted => pressed = late(&listener, pressed)?,
            Next::Event(Ok(FilmEvent::Started { job: Some(job), .. })) if pressed => {
                return Err(ended(model, &job));
            }
            Next::Event(Ok(FilmEvent::Started { job: Some(job), .. })) => return Ok(job),
            Next::Event(event) => drop(event?),
            Next::End => return Err(cut_short()),
        }
    }
}

/// Ctrl-C while nobody knows yet whether there is a job. Pressed twice it ends the program all the same.
fn late(listener: &Listener, before: bool) -> Outcome<bool> {
    listener.take();
    if before {
        return Err(Stop::Interrupted);
    }
    output::note("stopping as soon as the provider has answered, so that the job can be ended there, too");
    Ok(true)
}

/// Ends a job because Ctrl-C was pressed, and says so.
fn ended(model: &RemoteModel, job: &str) -> Stop {
    let _spinner = models::spinner("ending the job");
    match model.cancel_film_now(job) {
        Ok(over) => {
            let why =
                over.failure.map_or_else(|| "it was over already".to_owned(), |failure| failure.message);
            output::note(&harmless(&format!("{job} is {}: {why}", over.state.name())));
        }
        Err(error) => output::error(&format!("{error}; `parasol jobs cancel {job}` tries again")),
    }
    Stop::Interrupted
}

fn cut_short() -> Stop {
    Stop::Failed(Error::new(ErrorKind::Internal, "the model stopped before the film was there"))
}

/// Why a film is not followed any more.
pub(crate) enum Left {
    /// Ctrl-C was pressed; the job's name.
    Stopped(String),
    /// It failed.
    Failed(Stop),
}

impl From<Error> for Left {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Writes a film as it comes, telling how far it is; the name of its job.
///
/// # Errors
/// Those of the film and of the sink; Ctrl-C.
pub(crate) fn follow(
    mut stream: EventStream<FilmEvent>,
    sink: &mut Sink,
    stats: bool,
) -> Result<String, Left> {
    let listener = Listener::new();
    let (mut progress, mut name, mut pressed) = (Progress::new(), None, false);
    loop {
        match listener.next(&mut stream) {
            Next::Interrupted => {
                if let Some(job) = name {
                    listener.take();
                    return Err(Left::Stopped(job));
                }
                pressed = late(&listener, pressed).map_err(Left::Failed)?;
            }
            Next::End => return Err(Left::Failed(cut_short())),
            Next::Event(event) => match event? {
                FilmEvent::Started { job: Some(job), .. } if pressed => return Err(Left::Stopped(job)),
                FilmEvent::Started { job, seconds, size, .. } => {
                    let job = job.unwrap_or_default();
                    progress.begin(&job, &format!("{seconds} s of {size}"));
                    name = Some(job);
                }
                FilmEvent::Queued => progress.tell("queued", None),
                FilmEvent::Step { done, total } => progress.tell("in progress", Some((done, total))),
                FilmEvent::Ready { bytes, .. } => {
                    progress.tell(&format!("{} to write", output::bytes(bytes)), None)
                }
                FilmEvent::Piece { bytes } => sink.write(&bytes).map_err(Left::Failed)?,
                FilmEvent::Finished { usage, timings } => {
                    drop(progress);
                    if stats {
                        tell(&usage, &timings);
                    }
                    return name.ok_or_else(|| Left::Failed(cut_short()));
                }
            },
        }
    }
}

fn tell(usage: &FilmUsage, timings: &FilmTimings) {
    output::note(&format!(
        "{} s of {} in {}{}",
        usage.seconds,
        usage.size,
        output::duration(timings.total),
        usage.cost.map(|cost| format!("; {cost}")).unwrap_or_default(),
    ));
}

/// How far it is: a bar on a terminal, a few lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    told: String,
}

impl Progress {
    fn new() -> Self {
        if output::quiet() || !terminal::stderr() {
            return Self { bar: None, told: String::new() };
        }
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
        // The template is a constant that indicatif parses; if it ever refuses it, its own default serves.
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} %, {elapsed}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message("asking for a film");
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar: Some(bar), told: String::new() }
    }

    fn begin(&mut self, job: &str, what: &str) {
        // It stays: whoever loses this terminal finds the film again by it.
        let line = harmless(&format!("{job}: {what}")).into_owned();
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(&line)),
            None => output::note(&line),
        }
    }

    fn tell(&mut self, state: &str, steps: Option<(u32, u32)>) {
        let (done, total) = steps.unwrap_or((0, 100));
        if let Some(bar) = &self.bar {
            bar.set_message(state.to_owned());
            if steps.is_some() {
                bar.set_length(u64::from(total));
                bar.set_position(u64::from(done));
            }
            return;
        }
        // Every tenth is enough for a log.
        let tenth = done.saturating_mul(10) / total.max(1);
        let line = if steps.is_some() { format!("{state}: {tenth}0 %") } else { state.to_owned() };
        if self.told != line {
            output::note(&line);
            self.told = line;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
