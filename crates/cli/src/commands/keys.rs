//! `parasol keys`: make, list and revoke the keys of the server. A key is shown once; the file holds its hash.

use crate::args::{KeyCreateArgs, KeysArgs, KeysCommand};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::Style;
use parasol_core::{Error, ErrorKind};
use parasol_hub::Settings;
use parasol_server::{Key, KeyFile, KeyTerms};
use serde_json::json;

/// Runs the command.
///
/// # Errors
/// When the file of keys cannot be read or written, or a key is not there.
pub(crate) fn keys(args: &KeysArgs) -> Outcome {
    let file = KeyFile::under(&Settings::from_env()?.home);
    match &args.command {
        KeysCommand::Create(args) => create(&file, args),
        KeysCommand::List { json } => list(&file, *json),
        KeysCommand::Revoke { keys } => keys.iter().try_for_each(|key| {
            let removed = file.remove(key)?;
            output::line(&format!("{} ({}) is revoked", removed.name, removed.id))
        }),
    }
}

fn create(file: &KeyFile, args: &KeyCreateArgs) -> Outcome {
    let name = args.name.trim();
    if name.is_empty() || name.chars().any(char::is_control) || name.len() > 100 {
        let says = "a key's name is 1 to 100 characters without line breaks";
        return Err(Error::new(ErrorKind::InvalidRequest, says).into());
    }
    let (key, secret) = Key::create(KeyTerms {
        name: name.to_owned(),
        lifetime: args.expires,
        admin: args.admin,
        requests_per_minute: args.requests_per_minute,
        tokens_per_minute: args.tokens_per_minute,
        tokens_per_day: args.tokens_per_day,
        models: args.model.clone(),
    })?;
    let id = key.id.clone();
    file.add(key)?;
    if args.json {
        return output::json(&json!({ "id": id, "name": name, "key": secret }));
    }
    output::note(&format!("{name} ({id}); this is the only time that the key is shown:"));
    output::line(&secret)
}

fn list(file: &KeyFile, json: bool) -> Outcome {
    let keys = file.read()?;
    if json {
        let keys: Vec<_> = keys.iter().map(as_json).collect();
        return output::json(&json!({ "keys": keys }));
    }
    let mut rows = vec![["NAME", "ID", "MAY", "MODELS", "STATE"].map(str::to_owned).to_vec()];
    for key in keys {
        let limits = [
            (key.requests_per_minute, "requests/min"),
            (key.tokens_per_minute, "tokens/min"),
            (key.tokens_per_day, "tokens/day"),
        ];
        let mut may: Vec<_> = limits.iter().filter_map(|(n, of)| Some(format!("{} {of}", (*n)?))).collect();
        if key.admin {
            may.push("administration".into());
        }
        let state = match key.expires {
            _ if key.expired() => "expired".to_owned(),
            Some(end) => format!("ends in {}", left(end)),
            None => "good".to_owned(),
        };
        let models = if key.models.is_empty() { "all".into() } else { key.models.join(", ") };
        let may = if may.is_empty() { "everything but administration".into() } else { may.join(", ") };
        rows.push(vec![key.name, key.id, may, models, state]);
    }
    output::write(&output::table(&rows, &[], Style::stdout()))
}

fn left(end: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match end.saturating_sub(now) {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3600 => format!("{} hours", s / 3600),
        s => format!("{} minutes", s / 60),
    }
}

/// A key without its hash.
fn as_json(key: &Key) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "created": key.created,
        "expires": key.expires,
        "expired": key.expired(),
        "admin": key.admin,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "tokens_per_day": key.tokens_per_day,
        "models": key.models,
    })
}
