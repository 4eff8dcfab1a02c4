//! `parasol show`: what a model is, from its file when it is here, else from the catalogue.

use crate::args::ShowArgs;
use crate::exit::{Outcome, Stop};
use crate::output;
use crate::terminal::{Style, harmless};
use parasol_core::{Error, ErrorKind, SamplingChoice, Speak, Voice};
use parasol_hub::{Entry, LocalModel, Located};
use parasol_runtime::speech::Speaker;
use parasol_runtime::{ModelInfo, Runtime};
use serde_json::{Value, json};

/// The context for which memory is worked out when none is given: what `run` sets up at most by itself.
const USUAL_CONTEXT: usize = 8192;

/// Voices whose names are shown.
const SHOWN_VOICES: usize = 8;

/// Runs the command.
///
/// # Errors
/// When the model is unknown, or its file cannot be read.
pub(crate) fn show(runtime: &Runtime, args: &ShowArgs) -> Outcome {
    let reference = match &args.model {
        Some(reference) => reference.clone(),
        None => runtime.default_model()?,
    };
    let entry = runtime.hub().entry(&reference);
    let Some(located) = runtime.hub().locate(&reference)? else {
        return match entry {
            Some(entry) if !args.template => absent(entry, args),
            _ => Err(Stop::Failed(runtime.locate(&reference).err().unwrap_or_else(|| gone(&reference)))),
        };
    };
    if matches!(located.model, LocalModel::Voice(_)) && !args.template {
        // One thread: nothing is said.
        return voice(&located, entry, &runtime.speaker(&reference, Some(1))?, args);
    }
    if let Some(info) = runtime.describe_ears(&reference)? {
        return super::show_ears::show(&located, entry, &info, args);
    }
    let info = runtime.describe(&reference)?;
    if args.template {
        return match &info.chat_template {
            Some(template) => output::write_foreign(&format!("{}\n", template.trim_end_matches('\n'))),
            None => {
                let message =
                    format!("{reference} has no chat template: it continues text (`parasol run --raw`)");
                Err(Stop::Failed(Error::new(ErrorKind::NotFound, message)))
            }
        };
    }
    let context = args.context.unwrap_or_else(|| info.context.min(USUAL_CONTEXT));
    if args.json {
        return output::json(&present_json(&located, entry, &info, context));
    }
    present(&located, entry, &info, context)
}

/// Pulled or removed by another process between two looks.
fn gone(reference: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{reference} has just changed on the disk: try again"))
}

fn present(located: &Located, entry: Option<&Entry>, info: &ModelInfo, context: usize) -> Outcome {
    let number = |n: usize| output::grouped(n as u64);
    let memory = info.memory(context);
    let recommended = located.sampling.or(&info.sampling);
    let mut rows = vec![
        (
            "Architecture",
            format!(
                "{}: {} layers, width {}, vocabulary {}",
                info.architecture,
                info.layers,
                number(info.hidden),
                number(info.vocab)
            ),
        ),
        ("Parameters", output::count(info.parameters)),
        ("Weights", format!("{}: {}", output::bytes(info.file_bytes), formats(info))),
        ("Context", format!("{} tokens", number(info.context))),
        ("Chat template", chat_template(info).to_owned()),
        (
            "Memory",
            format!(
                "{} with {} tokens of context (weights {}, cache {}, working space {}, program and tokenizer {})",
                output::bytes(memory.total().saturating_add(info.besides())),
                number(context),
                output::bytes(memory.weights),
                output::bytes(memory.cache),
                output::bytes(memory.activations),
                output::bytes(info.besides())
            ),
        ),
        ("Sampling", sampling(recommended)),
        ("Licence", licence(entry, info)),
        ("Path", located.model.path().display().to_string()),
    ];
    if let Some(notes) = entry.map(|e| e.notes.clone()).filter(|n| !n.is_empty()) {
        rows.push(("Notes", notes));
    }
    print(&located.name, entry, &rows)
}

/// A voice: what it says of itself once it is loaded, and what the catalogue tells.
fn voice(located: &Located, entry: Option<&Entry>, speaker: &Speaker, args: &ShowArgs) -> Outcome {
    let (path, voices) = (located.model.path(), speaker.voices());
    let licence = entry.map_or("not stated", |e| e.licence.name.as_str());
    if args.json {
        return output::json(&json!({
            "name": located.name,
            "title": entry.map(|e| &e.title),
            "here": true,
            "path": path,
            "architecture": entry.map(|e| &e.architecture),
            "bytes": entry.map(Entry::size),
            "memory": entry.map(|e| json!({ "total_bytes": e.memory.bytes })),
            "licence": licence,
            "sample_rate": speaker.rate(),
            "imitates": speaker.imitates(),
            "voices": voices,
        }));
    }
    let mut rows = vec![(
        "Sound",
        format!("{} samples a second, one channel", output::grouped(u64::from(speaker.rate()))),
    )];
    rows.push(("Voices", named(&voices, &located.name)));
    if speaker.imitates() {
        rows.push(("Imitates", "voices of recordings (`parasol voices`)".to_owned()));
    }
    if let Some(entry) = entry {
        rows.push(("Architecture", entry.architecture.clone()));
        rows.push(("Weights", output::bytes(entry.size())));
        rows.push(("Memory", output::bytes(entry.memory.bytes)));
    }
    rows.push(("Licence", licence.to_owned()));
    rows.push(("Path", path.display().to_string()));
    rows.extend(entry.map(|e| ("Notes", e.notes.clone())));
    print(&located.name, entry, &rows)
}

/// How many voices there are, and what the first are called.
fn named(voices: &[Voice], model: &str) -> String {
    let names: Vec<&str> = voices.iter().take(SHOWN_VOICES).map(|voice| voice.name.as_str()).collect();
    match voices.len() {
        0 => "none of its own".to_owned(),
        all if all <= SHOWN_VOICES => names.join(", "),
        all => format!("{all}: {} … (`parasol speak --model {model} --list-voices`)", names.join(", ")),
    }
}

/// A model of the catalogue that has not been pulled.
fn absent(entry: &Entry, args: &ShowArgs) -> Outcome {
    if args.json {
        return output::json(&super::list::catalogue_json(entry, None, false));
    }
    let mut rows = vec![(
        "State",
        format!(
            "not on this disk: `parasol pull {}` fetches {}",
            entry.name,
            output::bytes(entry.download())
        ),
    )];
    rows.push(("Architecture", entry.architecture.clone()));
    rows.extend(entry.parameters.map(|n| ("Parameters", output::count(n))));
    let format = entry.quantisation.as_deref().map(|q| format!(": {q}")).unwrap_or_default();
    rows.push(("Weights", format!("{}{format}", output::bytes(entry.size()))));
    rows.extend(entry.context.map(|n| ("Context", format!("{} tokens", output::grouped(n)))));
    let memory = entry.memory;
    rows.push((
        "Memory",
        format!("{} with {} tokens of context", output::bytes(memory.bytes), output::grouped(memory.context)),
    ));
    rows.push(("Sampling", sampling(entry.sampling)));
    rows.push(("Licence", entry.licence.name.clone()));
    rows.push(("Notes", entry.notes.clone()));
    print(&entry.name, Some(entry), &rows)
}

pub(super) fn print(name: &str, entry: Option<&Entry>, rows: &[(&str, String)]) -> Outcome {
    let style = Style::stdout();
    let title = entry.map(|e| format!("  {}", e.title)).unwrap_or_default();
    let rows: Vec<(&str, String)> =
        rows.iter().map(|(name, value)| (*name, harmless(value).into_owned())).collect();
    output::write(&format!("{}{title}\n{}", style.bold(&harmless(name)), output::fields(&rows, style)))
}

/// "Q4_1 96 %, F32 4 %": shares of the bytes.
fn formats(info: &ModelInfo) -> String {
    let all: u64 = info.formats.iter().map(|f| f.bytes).sum();
    let share = |bytes: u64| 100.0 * bytes as f64 / all.max(1) as f64;
    let one = |f: &parasol_runtime::FormatShare| match share(f.bytes) {
        s if s < 1.0 => format!("{} under 1 %", f.format),
        s => format!("{} {s:.0} %", f.format),
    };
    info.formats.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn chat_template(info: &ModelInfo) -> &'static str {
    match info.chat_template {
        Some(_) => "yes (--template prints it)",
        None => "none: a base model, for `parasol run --raw`",
    }
}

/// What `run` and `chat` do where no flag says otherwise.
fn sampling(recommended: SamplingChoice) -> String {
    match recommended.is_empty() {
        true => "the general defaults: nothing is recommended".to_owned(),
        false => format!("{recommended} (recommended)"),
    }
}

/// The catalogue's word, else the file's own.
fn licence(entry: Option<&Entry>, info: &ModelInfo) -> String {
    let stated = entry.map(|e| e.licence.name.clone()).or_else(|| info.about.licence.clone());
    stated.unwrap_or_else(|| "not stated".to_owned())
}

fn present_json(located: &Located, entry: Option<&Entry>, info: &ModelInfo, context: usize) -> Value {
    let memory = info.memory(context);
    let formats = info
        .formats
        .iter()
        .map(|f| json!({ "format": f.format.name(), "tensors": f.tensors, "bytes": f.bytes }));
    json!({
        "name": located.name,
        "title": entry.map(|e| e.title.clone()).or_else(|| info.about.name.clone()),
        "here": true,
        "path": located.model.path(),
        "architecture": info.architecture,
        "parameters": info.parameters,
        "bytes": info.file_bytes,
        "formats": formats.collect::<Vec<_>>(),
        "layers": info.layers,
        "hidden": info.hidden,
        "vocabulary": info.vocab,
        "context": info.context,
        "chat_template": info.chat_template,
        "memory": {
            "context": context,
            "weights_bytes": memory.weights,
            "cache_bytes": memory.cache,
            "activation_bytes": memory.activations,
            "other_bytes": info.besides(),
            "total_bytes": memory.total().saturating_add(info.besides()),
        },
        "sampling": located.sampling.or(&info.sampling),
        "licence": licence(entry, info),
    })
}
