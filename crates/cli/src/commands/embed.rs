//! `parasol embed`: texts as vectors, a line of numbers for each, or all as JSON.

use crate::args::EmbedArgs;
use crate::exit::{Outcome, Stop};
use crate::input::{self, Prompt};
use crate::interrupt::Listener;
use crate::models::{self, Opening};
use crate::output;
use crate::terminal::{Style, harmless};
use parasol_core::{EmbedEvent, EmbedRequest, Error, ErrorKind, EventStream, Timings, Usage};
use parasol_runtime::{AnyModel, Runtime};
use serde_json::json;

/// Runs the command.
///
/// # Errors
/// When there is nothing to embed, it is no text, or the model cannot be had or refuses it; Ctrl-C.
pub(crate) fn embed(runtime: &Runtime, args: &EmbedArgs) -> Outcome {
    // Before a model is fetched: what is no text should cost nothing.
    let request = EmbedRequest {
        purpose: args.purpose.map(Into::into),
        dimensions: args.dimensions,
        truncate: args.truncate,
        ..EmbedRequest::texts(texts(args)?)
    };
    let opening = Opening {
        reference: args.model.as_deref(),
        engine: &args.engine,
        accept_licence: args.accept_licence,
    };
    let model = models::open(runtime, &opening)?;
    if let AnyModel::Local(local) = &model
        && local.info().pooling.is_none()
    {
        output::note(&format!(
            "{} was not made to embed: its vectors tell likeness, but those of a model that was are better",
            local.name()
        ));
    }
    let count = request.inputs.len();
    let stream = model.embed()?.embed(request)?;
    follow(stream, args, count)
}

/// The texts of the arguments, or the lines of stdin.
fn texts(args: &EmbedArgs) -> Outcome<Vec<String>> {
    for text in &args.texts {
        input::check(text.as_bytes(), "the text")?;
    }
    if !args.texts.is_empty() {
        return Ok(args.texts.clone());
    }
    let stdin = Prompt::gather(&[], None)?.stdin.unwrap_or_default();
    let lines: Vec<String> = stdin.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        let message = "there is nothing to embed: write a text after the command, or pipe lines in";
        return Err(Stop::wrong(message));
    }
    match lines.iter().position(|line| line.trim().is_empty()) {
        None => Ok(lines),
        Some(at) => {
            let message =
                format!("line {} of stdin is empty, and nothing has no vector: leave it out", at + 1);
            Err(Stop::wrong(message))
        }
    }
}

/// Prints vectors as they come.
fn follow(mut stream: EventStream<EmbedEvent>, args: &EmbedArgs, count: usize) -> Outcome {
    let listener = Listener::new();
    let spinner = models::spinner("embedding");
    let (mut name, mut vectors) = (String::new(), Vec::new());
    while let Some(event) = listener.event(&mut stream)? {
        match event {
            EmbedEvent::Started { model } => name = model,
            EmbedEvent::Ignored { field, why } => {
                output::note(&harmless(&format!("--{field} has no effect: {why}")));
            }
            EmbedEvent::Embedded { index, vector } => {
                spinner.say(&format!("embedding: {} of {count}", index + 1));
                match args.json {
                    true => vectors.push(vector),
                    false => output::line(&line(&vector))?,
                }
            }
            EmbedEvent::Finished { usage, timings } => {
                drop(spinner);
                if args.json {
                    print(&name, &vectors, &usage, &timings)?;
                }
                if args.stats {
                    output::note(&Style::stderr().dim(&stats(count, &usage, &timings)));
                }
                return Ok(());
            }
        }
    }
    Err(Stop::Failed(Error::new(ErrorKind::Internal, "the model stopped before all texts were embedded")))
}

/// Numbers with blanks between, each as short as tells it from its neighbours.
fn line(vector: &[f32]) -> String {
    vector.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
}

fn print(model: &str, vectors: &[Vec<f32>], usage: &Usage, timings: &Timings) -> Outcome {
    let mut value = json!({ "model": model, "embeddings": vectors, "usage": { "prompt_tokens": usage.prompt_tokens },
        "timings": { "first_seconds": timings.first_token.as_secs_f64(), "total_seconds": timings.prefill.as_secs_f64() } });
    if let Some(cost) = usage.cost {
        value["usage"]["cost_usd"] = cost.as_dollars().into();
    }
    output::json(&value)
}

fn stats(count: usize, usage: &Usage, timings: &Timings) -> String {
    format!(
        "{count} text{} · {} tokens in {} · first vector {}{}",
        if count == 1 { "" } else { "s" },
        output::grouped(usage.prompt_tokens as u64),
        output::duration(timings.prefill),
        output::duration(timings.first_token),
        usage.cost.map(|cost| format!(" · {cost}")).unwrap_or_default(),
    )
}
