//! `parasol list`: the models that are here, and those that the catalogue knows.

use crate::args::ListArgs;
use crate::exit::Outcome;
use crate::output;
use crate::terminal::Style;
use parasol_hub::{Entry, Installed};
use parasol_runtime::Runtime;
use serde_json::{Value, json};

/// Runs the command.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn list(runtime: &Runtime, args: &ListArgs) -> Outcome {
    let here = runtime.hub().list()?;
    let entries = runtime.hub().catalogue().entries();
    let default = runtime.hub().catalogue().default_for("chat").map(|e| e.name.as_str());
    for e in &here.damaged {
        output::note(&format!(
            "{} {}",
            Style::stderr().warn("damaged:"),
            crate::terminal::harmless(e.message())
        ));
    }
    if args.json {
        let models =
            entries.iter().map(|e| catalogue_json(e, find(&here.models, &e.name), default == Some(&e.name)));
        let others = here.models.iter().filter(|m| entries.iter().all(|e| e.name != m.name)).map(other_json);
        return output::json(&json!({ "models": models.chain(others).collect::<Vec<Value>>() }));
    }
    let style = Style::stdout();
    let heading = ["MODEL", "SIZE", "PARAMETERS", "GOOD FOR", "LICENCE", "STATE"].map(str::to_owned).to_vec();
    let mut rows = vec![heading];
    for entry in entries {
        let installed = find(&here.models, &entry.name);
        let size = installed.map_or_else(|| entry.size(), |m| m.bytes);
        let state = match installed {
            Some(_) => style.good("here"),
            None => style.dim("to pull"),
        };
        let default = if default == Some(&entry.name) { ", default" } else { "" };
        rows.push(vec![
            style.bold(&entry.name),
            output::bytes(size),
            entry.parameters.map(output::count).unwrap_or_default(),
            entry.capabilities.join(", "),
            entry.licence.name.clone(),
            format!("{state}{default}"),
        ]);
    }
    for model in here.models.iter().filter(|m| entries.iter().all(|e| e.name != m.name)) {
        let licence = model.licence.name.clone();
        rows.push(vec![
            style.bold(&model.name),
            output::bytes(model.bytes),
            String::new(),
            String::new(),
            licence,
            style.good("here"),
        ]);
    }
    output::write(&output::table(&rows, &[1, 2], style))
}

fn find<'a>(models: &'a [Installed], name: &str) -> Option<&'a Installed> {
    models.iter().find(|m| m.name == name)
}

pub(super) fn catalogue_json(entry: &Entry, installed: Option<&Installed>, default: bool) -> Value {
    json!({
        "name": entry.name,
        "aliases": entry.aliases,
        "title": entry.title,
        "here": installed.is_some(),
        "default": default,
        "path": installed.map(|m| m.model.path()),
        "bytes": installed.map_or_else(|| entry.size(), |m| m.bytes),
        "download_bytes": entry.download(),
        "parameters": entry.parameters,
        "quantisation": entry.quantisation,
        "context": entry.context,
        "capabilities": entry.capabilities,
        "memory": entry.memory,
        "sampling": entry.sampling,
        "licence": entry.licence,
        "notes": entry.notes,
    })
}

fn other_json(model: &Installed) -> Value {
    json!({
        "name": model.name,
        "here": true,
        "default": false,
        "path": model.model.path(),
        "bytes": model.bytes,
        "licence": { "name": model.licence.name, "url": model.licence.url },
    })
}
