//! `parasol show` for a model that listens.

use super::show::print;
use crate::args::ShowArgs;
use crate::exit::{Outcome, Stop};
use crate::output;
use parasol_core::{Error, ErrorKind};
use parasol_hub::{Entry, Located};
use parasol_runtime::EarsInfo;
use serde_json::json;

/// Shows it.
///
/// # Errors
/// `NotFound` when its chat template is asked for; when stdout cannot be written.
pub(super) fn show(located: &Located, entry: Option<&Entry>, info: &EarsInfo, args: &ShowArgs) -> Outcome {
    let name = &located.name;
    if args.template {
        let message = format!("{name} listens and has no chat template");
        return Err(Stop::Failed(Error::new(ErrorKind::NotFound, message)));
    }
    let (it, licence) = (&info.config, entry.map_or("not stated", |e| e.licence.name.as_str()));
    if args.json {
        let formats =
            info.formats.iter().map(|(format, bytes)| json!({ "format": format.name(), "bytes": bytes }));
        return output::json(&json!({
            "name": name,
            "title": entry.map(|e| e.title.clone()),
            "here": true,
            "path": located.model.path(),
            "architecture": "whisper",
            "parameters": info.parameters,
            "bytes": info.bytes,
            "formats": formats.collect::<Vec<_>>(),
            "encoder_layers": it.encoder_layers,
            "decoder_layers": it.decoder_layers,
            "hidden": it.width,
            "vocabulary": it.vocabulary,
            "context": it.text_context,
            "mels": it.mels,
            "multilingual": it.multilingual(),
            "voice_activity": info.voice_activity,
            "memory": { "total_bytes": info.memory },
            "licence": licence,
        }));
    }
    let number = |n: usize| output::grouped(n as u64);
    let share = |bytes: u64| 100.0 * bytes as f64 / info.bytes.max(1) as f64;
    let formats: Vec<String> =
        info.formats.iter().map(|(format, bytes)| format!("{format} {:.0} %", share(*bytes))).collect();
    let mut rows = vec![
        (
            "Architecture",
            format!(
                "whisper: {} encoder and {} decoder layers, width {}, vocabulary {}",
                it.encoder_layers,
                it.decoder_layers,
                number(it.width),
                number(it.vocabulary)
            ),
        ),
        ("Parameters", output::count(info.parameters)),
        ("Weights", format!("{}: {}", output::bytes(info.bytes), formats.join(", "))),
        ("Window", format!("30 seconds of sound, {} tokens of text", number(it.text_context))),
        (
            "Languages",
            if it.multilingual() { "99, and translation into English" } else { "English" }.to_owned(),
        ),
        (
            "Voice activity",
            if info.voice_activity {
                "yes: silence is skipped"
            } else {
                "no: windows of 30 seconds are taken one after the other"
            }
            .to_owned(),
        ),
        ("Memory", output::bytes(info.memory)),
        ("Licence", licence.to_owned()),
        ("Path", located.model.path().display().to_string()),
    ];
    if let Some(notes) = entry.map(|e| e.notes.clone()).filter(|n| !n.is_empty()) {
        rows.push(("Notes", notes));
    }
    print(name, entry, &rows)
}
