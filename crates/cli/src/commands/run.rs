//! `parasol run`: one prompt, one answer.

use crate::answer::{Answer, Show, follow};
use crate::args::{ChatArgs, JsonForm, RunArgs};
use crate::exit::{Outcome, Stop};
use crate::input::{self, Prompt};
use crate::interrupt::Listener;
use crate::models::{self, Opening};
use crate::output;
use crate::terminal::{self, Style};
use clap::ArgMatches;
use clap::parser::ValueSource;
use parasol_core::{
    ChatRequest, CompleteRequest, Error, ErrorKind, EventStream, GenerationEvent, Message, Role,
};
use parasol_runtime::{AnyModel, Runtime};

/// Which model, and what is said to it.
#[derive(Debug, PartialEq, Eq)]
struct Spoken {
    model: Option<String>,
    prompt: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When there is no prompt, it is no text, or the model fails.
pub(crate) fn run(args: &RunArgs, matches: &ArgMatches) -> Outcome {
    let runtime = super::runtime()?;
    let matches = matches.subcommand().map_or(matches, |(_, sub)| sub);
    // A model from the environment is a default, which the first of two arguments overrides; --model is not.
    let named = matches.value_source("model") == Some(ValueSource::CommandLine);
    let spoken = understand(args, named, |text| runtime.names_model(text))?;
    if let (false, Some(first), Some(_)) = (named, &args.first, &args.second) {
        check_first(first, &runtime)?;
    }
    if args.logprobs_without_json() {
        return Err(Stop::wrong("--logprobs reports in JSON: add --json"));
    }
    if let (Some(model), true) = (&spoken.model, nothing_to_say(args, &spoken)) {
        return crate::chat::chat(&runtime, &as_chat(args, model));
    }
    let prompt = Prompt::gather(&args.file, spoken.prompt)?;
    if prompt.is_empty() && args.suffix.is_none() {
        return Err(Stop::wrong(
            "there is no prompt: write one after the command, as in parasol run \"Write a haiku about rain\", or pipe it in",
        ));
    }
    for (text, name) in [(&args.system, "--system"), (&args.suffix, "--suffix")] {
        input::check(text.as_deref().unwrap_or_default().as_bytes(), name)?;
    }
    let opening = Opening {
        reference: spoken.model.as_deref(),
        engine: &args.engine,
        accept_licence: args.accept_licence,
    };
    let model = models::open(&runtime, &opening)?;
    let listener = Listener::new();
    let stream = ask(&model, args, &prompt)?;
    let show = match args.json {
        None => Show::Text,
        Some(JsonForm::Events) => Show::Events,
        Some(JsonForm::Answer) => Show::Nothing,
    };
    match follow(stream, &listener, show).and_then(|answer| finish(&answer, args, model.context())) {
        // Ctrl-C ends the readers of our pipe as well: that they have left is no news then.
        Err(Stop::ClosedPipe) if listener.pressed() => Err(Stop::Interrupted),
        outcome => outcome,
    }
}

impl RunArgs {
    fn logprobs_without_json(&self) -> bool {
        self.generation.logprobs.is_some() && self.json.is_none()
    }
}

/// A person who names a model and says nothing wants to talk.
fn nothing_to_say(args: &RunArgs, spoken: &Spoken) -> bool {
    let plain = !args.raw && args.suffix.is_none() && args.json.is_none() && args.file.is_empty();
    plain && spoken.prompt.is_none() && terminal::stdin() && terminal::stdout()
}

fn as_chat(args: &RunArgs, model: &str) -> ChatArgs {
    ChatArgs {
        model: Some(model.to_owned()),
        model_flag: None,
        system: args.system.clone(),
        load: None,
        no_history: false,
        stats: args.stats,
        accept_licence: args.accept_licence,
        generation: args.generation.clone(),
        engine: args.engine.clone(),
    }
}

/// The rule for the positional arguments (`run --help` states it). `named`: --model was given on the command line.
fn understand(args: &RunArgs, named: bool, names_model: impl Fn(&str) -> bool) -> Outcome<Spoken> {
    let (first, second, model) = (args.first.clone(), args.second.clone(), args.model.clone());
    Ok(match (first, second) {
        (Some(_), Some(second)) if named => {
            return Err(Stop::wrong(format!(
                "with --model there is one prompt, and \"{second}\" is a second argument: put the prompt in quotes"
            )));
        }
        (Some(first), Some(second)) => Spoken { model: Some(first), prompt: Some(second) },
        (Some(first), None) if !named && names_model(&first) => Spoken { model: Some(first), prompt: None },
        (first, _) => Spoken { model, prompt: first },
    })
}

/// The first of two arguments must be a model. When nothing has that name, it may be the first word of a prompt without
/// quotes.
fn check_first(first: &str, runtime: &Runtime) -> Outcome {
    if runtime.is_far(first) {
        return Ok(());
    }
    match runtime.is_here(first) {
        Err(e) if *e.kind() == ErrorKind::NotFound => {
            let says = e.to_string();
            let says = says.trim_end_matches('.');
            let hint = format!("{says}. If {first:?} begins the prompt, put the whole prompt in quotes.");
            Err(Stop::Failed(Error::new(ErrorKind::NotFound, hint)))
        }
        // Whatever else is wrong is told when the model is opened.
        _ => Ok(()),
    }
}

fn ask(model: &AnyModel, args: &RunArgs, prompt: &Prompt) -> Outcome<EventStream<GenerationEvent>> {
    let generation = &args.generation;
    if args.raw || args.suffix.is_some() {
        let request = CompleteRequest {
            prompt: prompt.for_completion(),
            suffix: args.suffix.clone(),
            sampling: generation.sampling(model.recommended()),
            max_tokens: generation.max_tokens,
            stop: generation.stop.clone(),
            logprobs: generation.logprobs,
            ..CompleteRequest::default()
        };
        return Ok(model.complete()?.complete(request)?);
    }
    let system = args.system.as_deref().map(|text| Message::new(Role::System, text));
    let user = Message::new(Role::User, prompt.for_chat());
    let request = ChatRequest {
        messages: system.into_iter().chain([user]).collect(),
        sampling: generation.sampling(model.recommended()),
        max_tokens: generation.max_tokens,
        stop: generation.stop.clone(),
        logprobs: generation.logprobs,
        ..ChatRequest::default()
    };
    models::chat(model, request)
}

/// What follows the text: its last line break, JSON, timings, and the exit code of an interrupted answer.
fn finish(answer: &Answer, args: &RunArgs, context: Option<usize>) -> Outcome {
    let printed = match args.json {
        None if !answer.text.ends_with('\n') => output::write("\n"),
        Some(JsonForm::Answer) => output::json(&answer.json()),
        _ => Ok(()),
    };
    if args.json.is_none() {
        let way_out = "--context sets a larger one, --max-tokens an end";
        answer.tell_if_context_is_full(context, args.generation.max_tokens, way_out);
    }
    if args.stats {
        output::note(&Style::stderr().dim(&answer.stats()));
    }
    if answer.interrupted() { Err(Stop::Interrupted) } else { printed }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    fn understood(line: &[&str]) -> Outcome<Spoken> {
        let words = ["parasol", "run"].iter().chain(line);
        let crate::args::Command::Run(args) = crate::args::Cli::try_parse_from(words).unwrap().command else {
            panic!()
        };
        let named = line.contains(&"-m");
        understand(&args, named, |text| text == "smollm2")
    }

    fn spoken(model: &str, prompt: &str) -> Spoken {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        Spoken { model: some(model), prompt: some(prompt) }
    }

    #[test]
    fn positional_arguments() {
        assert_eq!(understood(&["Write a haiku"]).unwrap(), spoken("", "Write a haiku"));
        assert_eq!(understood(&["smollm2"]).unwrap(), spoken("smollm2", ""));
        assert_eq!(understood(&["smollm2", "hi"]).unwrap(), spoken("smollm2", "hi"));
        assert_eq!(understood(&["./x.gguf", "hi"]).unwrap(), spoken("./x.gguf", "hi"));
        assert_eq!(understood(&["-m", "a", "smollm2"]).unwrap(), spoken("a", "smollm2"));
        assert_eq!(understood(&[]).unwrap(), spoken("", ""));
        assert_eq!(understood(&["-m", "a", "b", "c"]).unwrap_err().code(), 2);
    }
}
