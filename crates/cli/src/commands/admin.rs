//! `parasol ps` and `parasol stop`, and what `parasol rm` has to know: they ask running servers.

use crate::args::{PsArgs, RemoteArgs, StopArgs};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::{Style, harmless};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::Settings;
use parasol_server::Running;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// `parasol ps`.
///
/// # Errors
/// When no server answers, or it refuses.
pub(crate) fn ps(args: &PsArgs) -> Outcome {
    let told = ask(&args.remote, "ps", None)?;
    if args.json {
        return output::json(&told);
    }
    let mut rows =
        vec![["MODEL", "STATE", "SIZE", "CONTEXT", "IN USE", "PINNED"].map(str::to_owned).to_vec()];
    for model in told["models"].as_array().into_iter().flatten() {
        let text = |name: &str| harmless(model[name].as_str().unwrap_or_default()).into_owned();
        let number = |name: &str| model[name].as_u64().map(output::grouped).unwrap_or_default();
        let pinned = if model["pinned"] == true { "yes" } else { "" };
        let size = output::bytes(model["bytes"].as_u64().unwrap_or(0));
        rows.push(vec![
            text("name"),
            text("state"),
            size,
            number("context"),
            number("in_use"),
            pinned.into(),
        ]);
    }
    output::write(&output::table(&rows, &[2, 3, 4], Style::stdout()))
}

/// `parasol stop`.
///
/// # Errors
/// When no server answers, or the model is not loaded.
pub(crate) fn stop(args: &StopArgs) -> Outcome {
    let told = ask(&args.remote, "stop", Some(&json!({ "model": args.model })))?;
    let freed = output::bytes(told["freed"].as_u64().unwrap_or(0));
    output::line(&format!("{} is unloaded: {freed} freed", args.model))
}

/// Unloads a model from the servers of this user, which would otherwise go on with files that are gone.
///
/// # Errors
/// `Io` when one of them is answering with it; as for `stop` when it cannot be unloaded.
pub(crate) fn unload_everywhere(home: &Path, name: &str) -> Result<()> {
    for Running { url, token, .. } in Running::all(home).into_iter().filter(is_there) {
        let opens = (url.clone(), TOKEN, token);
        // Where a server was killed, another program may listen by now; it has none of our models.
        let Ok(told) = ask_at(&opens, "ps", None) else { continue };
        let loaded = told["models"].as_array().into_iter().flatten().find(|model| model["name"] == name);
        let Some(model) = loaded.filter(|model| model["state"] != "remote") else { continue };
        let users = model["in_use"].as_u64().unwrap_or(0);
        if users > 0 || model["state"] == "loading" {
            let what =
                if users > 0 { format!("answers {users} with {name}") } else { format!("loads {name}") };
            let says = format!(
                "the server at {url} {what} at this moment: try again later, or make it let go with \
                 `parasol stop {name} --server {url}`"
            );
            return Err(Error::new(ErrorKind::Io, says));
        }
        match ask_at(&opens, "stop", Some(&json!({ "model": name }))) {
            // It went by itself meanwhile.
            Err(error) if *error.kind() == ErrorKind::NotFound => {}
            unloaded => {
                unloaded?;
                output::note(&format!("the server at {url} has unloaded {name}"));
            }
        }
    }
    Ok(())
}

/// Asks the server's administration.
fn ask(remote: &RemoteArgs, what: &str, body: Option<&Value>) -> Result<Value> {
    ask_at(&server(remote)?, what, body)
}

/// Asks the administration at a base URL, which a secret in a header opens.
fn ask_at((base, header, secret): &Opens, what: &str, body: Option<&Value>) -> Result<Value> {
    let url = format!("{}/api/parasol/{what}", base.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .proxy(None)
        .build()
        .into();
    let answer = match body {
        None => agent.get(&url).header(*header, secret).call(),
        Some(body) => agent.post(&url).header(*header, secret).send(body.to_string()),
    };
    let mut answer = answer.map_err(|e| {
        Error::new(
            ErrorKind::Network,
            format!("no server answers at {base}: {e}. `parasol serve` starts one"),
        )
    })?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string();
    let text = text.map_err(|e| Error::new(ErrorKind::Network, format!("{base} broke off: {e}")))?;
    let told: Value = serde_json::from_str(&text).unwrap_or_default();
    if (200..300).contains(&status) {
        return Ok(told);
    }
    let kind = match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        400 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Network,
    };
    let says = told["error"]["message"].as_str().unwrap_or("it gives no reason");
    Err(Error::new(kind, format!("{base} answered {status}: {says}")))
}

/// The base URL of a server, and the header and secret that open its administration.
type Opens = (String, &'static str, String);

/// The header that carries a running server's token.
const TOKEN: &str = "x-parasol-token";

fn server(remote: &RemoteArgs) -> Result<Opens> {
    if let Some(key) = &remote.api_key {
        let base = remote
            .server
            .clone()
            .unwrap_or_else(|| format!("http://127.0.0.1:{}", parasol_server::DEFAULT_PORT));
        return Ok((base, "x-api-key", key.clone()));
    }
    let running: Vec<Running> = Running::all(&Settings::from_env()?.home)
        .into_iter()
        .filter(|r| remote.server.as_ref().is_none_or(|url| url.trim_end_matches('/') == r.url))
        .filter(is_there)
        .collect();
    match <[Running; 1]>::try_from(running) {
        Ok([one]) => Ok((one.url, TOKEN, one.token)),
        Err(none) if none.is_empty() => Err(Error::new(
            ErrorKind::NotFound,
            "no server of this user runs here: start one with `parasol serve`, or name another with --server and --api-key",
        )),
        Err(several) => {
            let urls: Vec<_> = several.into_iter().map(|r| r.url).collect();
            let says = format!("several servers run here: choose one with --server: {}", urls.join(", "));
            Err(Error::new(ErrorKind::InvalidRequest, says))
        }
    }
}

/// Whether something listens where the server was: one that was killed has left its file behind.
fn is_there(running: &Running) -> bool {
    let address = running.url.rsplit("://").next().and_then(|a| a.parse().ok());
    address.is_some_and(|a| std::net::TcpStream::connect_timeout(&a, Duration::from_secs(1)).is_ok())
}
