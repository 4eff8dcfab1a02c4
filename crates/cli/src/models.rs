//! Getting hold of a model for a command: pulled on first use with a progress bar, its licence asked for where that is
//! due, and loaded.

use crate::args::EngineArgs;
use crate::exit::Outcome;
use crate::interrupt::Listener;
use crate::output;
use crate::terminal::{self, harmless};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parasol_core::{ChatRequest, Error, ErrorKind, EventStream, GenerationEvent};
use parasol_hub::{Cancel, Licence, Located, PullEvent, Terms};
use parasol_runtime::{AnyModel, LoadOptions, Model, Runtime};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How a command wants its model.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// The model, or the default one.
    pub(crate) reference: Option<&'a str>,
    /// How it is loaded.
    pub(crate) engine: &'a EngineArgs,
    /// The licence has been accepted beforehand.
    pub(crate) accept_licence: bool,
}

/// Finds the model, pulls it if it is not here, and loads it; a provider's is ready when its key is there.
///
/// # Errors
/// When it is unknown, cannot be fetched, or cannot be loaded; a provider's key that is missing; Ctrl-C.
pub(crate) fn open(runtime: &Runtime, opening: &Opening<'_>) -> Outcome<AnyModel> {
    let reference = match opening.reference {
        Some(reference) => reference.to_owned(),
        None => runtime.default_model()?,
    };
    match AnyModel::far(runtime, &reference, &load_options(opening))? {
        Some(far) => Ok(far),
        None => Ok(AnyModel::Local(local(runtime, &reference, opening)?)),
    }
}

/// The same for a model that has to compute here.
///
/// # Errors
/// When it is unknown, cannot be fetched, or cannot be loaded; Ctrl-C.
pub(crate) fn open_local(runtime: &Runtime, opening: &Opening<'_>) -> Outcome<Model> {
    let reference = match opening.reference {
        Some(reference) => reference.to_owned(),
        None => runtime.default_model()?,
    };
    local(runtime, &reference, opening)
}

fn local(runtime: &Runtime, reference: &str, opening: &Opening<'_>) -> Outcome<Model> {
    if !runtime.is_here(reference)? {
        pull(runtime, reference, opening.accept_licence)?;
    }
    let _spinner = spinner(&format!("loading {reference}"));
    Ok(runtime.load(reference, &load_options(opening))?)
}

fn load_options(opening: &Opening<'_>) -> LoadOptions {
    LoadOptions {
        context: opening.engine.context,
        threads: opening.engine.threads,
        quantize: opening.engine.quantize.clone(),
        cache_type: opening.engine.cache_type.map(Into::into),
        ..LoadOptions::default()
    }
}

/// Asks a model to answer a conversation. A model that cannot is refused with the flag that makes it useful.
///
/// # Errors
/// Those of the model.
pub(crate) fn chat(model: &AnyModel, request: ChatRequest) -> Outcome<EventStream<GenerationEvent>> {
    let base = model.info().is_some_and(|info| info.chat_template.is_none());
    Ok(model.chat()?.chat(request).map_err(|e| match e.kind() {
        ErrorKind::Unsupported if base => {
            let hint = format!("{e}. `parasol run --raw` continues a text with this model");
            Error::new(ErrorKind::Unsupported, hint)
        }
        _ => e,
    })?)
}

/// Pulls a model, telling how it goes.
///
/// # Errors
/// What keeps it from being fetched; Ctrl-C.
pub(crate) fn pull(runtime: &Runtime, reference: &str, accept_licence: bool) -> Outcome<Located> {
    let listener = Listener::new();
    let cancel = Cancel::from_flag(listener.flag());
    let mut progress = Progress::new();
    let mut question = |terms: &Terms, text: Option<&Path>| ask(reference, terms, text);
    let licence = match accept_licence {
        true => Licence::Accept,
        false if terminal::stdin() && terminal::stderr() => Licence::Ask(&mut question),
        false => Licence::Refuse,
    };
    let pulled = runtime.hub().pull(reference, licence, &cancel, &mut |event| progress.show(&event));
    progress.clear();
    if listener.take() {
        output::note("stopped: the same command goes on with it");
    }
    Ok(pulled?)
}

/// Shows the terms and asks whether they are accepted.
fn ask(model: &str, terms: &Terms, text: Option<&Path>) -> bool {
    let say = |line: String| drop(writeln!(std::io::stderr(), "{}", harmless(&line)));
    say(format!("{model} comes under its own terms: {}", terms.name));
    if let Some(url) = &terms.url {
        say(format!("  read them at {url}"));
    }
    if let Some(path) = text {
        say(format!("  or in {}", path.display()));
    }
    terminal::agrees("Do you accept them?")
}

/// A turning sign with a message that is wiped away when it is dropped; nothing where no person looks.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

/// Starts a spinner.
pub(crate) fn spinner(message: &str) -> Spinner {
    if output::quiet() || !terminal::stderr() {
        return Spinner(ProgressBar::hidden());
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::default_spinner());
    bar.set_message(harmless(message).into_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    Spinner(bar)
}

impl Spinner {
    /// Changes the message.
    pub(crate) fn say(&self, message: &str) {
        self.0.set_message(harmless(message).into_owned());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How a pull goes: a bar on a terminal, a few lines elsewhere.
struct Progress {
    bar: Option<Spinner>,
    live: bool,
    /// The step that was told last, so that a log gets each one once.
    told: String,
}

impl Progress {
    fn new() -> Self {
        Self { bar: None, live: terminal::stderr() && !output::quiet(), told: String::new() }
    }

    fn show(&mut self, event: &PullEvent) {
        match event {
            PullEvent::Resolving { model } => self.step(&format!("looking for {model}")),
            PullEvent::Licence { model, terms, .. } => {
                self.clear();
                if !terms.ask {
                    self.tell(&format!("{model}: licence {}", terms.name));
                }
            }
            PullEvent::Waiting { model } => {
                self.step(&format!("waiting: another process is pulling {model}"))
            }
            PullEvent::Source { .. } => {}
            PullEvent::Retrying { file, reason } => {
                self.clear();
                self.tell(&format!("{file}: {reason}"));
            }
            PullEvent::Downloading { file, done, total } => self.bytes("fetching", file, *done, *total),
            PullEvent::Verifying { file, done, total } => self.bytes("checking", file, *done, Some(*total)),
            _ => {}
        }
    }

    /// A step without a measure.
    fn step(&mut self, message: &str) {
        if !self.live {
            return self.tell(message);
        }
        if self.told != message {
            self.clear();
            message.clone_into(&mut self.told);
            self.bar = Some(spinner(message));
        }
    }

    fn bytes(&mut self, verb: &str, file: &str, done: u64, total: Option<u64>) {
        let step = format!("{verb} {file}");
        if !self.live {
            let size = total.map(|t| format!(", {}", output::bytes(t))).unwrap_or_default();
            if self.told != step {
                output::note(&harmless(&format!("{step}{size}")));
                self.told = step;
            }
            return;
        }
        if self.told != step || self.bar.is_none() {
            self.clear();
            self.bar = Some(bar(&harmless(&step), done, total));
            self.told = step;
        }
        if let Some(Spinner(bar)) = &self.bar {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    /// A line that stays.
    fn tell(&mut self, message: &str) {
        if self.told != message {
            output::note(&harmless(message));
            message.clone_into(&mut self.told);
        }
    }

    fn clear(&mut self) {
        self.bar = None;
    }
}

fn bar(message: &str, done: u64, total: Option<u64>) -> Spinner {
    let template = match total {
        Some(_) => {
            "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta}"
        }
        None => "{spinner} {msg} {decimal_bytes}, {decimal_bytes_per_sec}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    // The templates are constants that indicatif parses; if it ever refuses one, its own default serves.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_message(message.to_owned());
    // What an earlier pull left counts as there, not as fetched within no time.
    bar.set_position(done);
    bar.reset_eta();
    Spinner(bar)
}
