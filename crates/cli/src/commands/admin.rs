//! `parasol ps` and `parasol stop`: they ask a running server.

use crate::args::{PsArgs, RemoteArgs, StopArgs};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::{Style, harmless};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::Settings;
use parasol_server::Running;
use serde_json::{Value, json};
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

/// Asks the server's administration.
fn ask(remote: &RemoteArgs, what: &str, body: Option<&Value>) -> Result<Value> {
    let (base, header, secret) = server(remote)?;
    let url = format!("{}/api/parasol/{what}", base.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .proxy(None)
        .build()
        .into();
    let answer = match body {
        None => agent.get(&url).header(header, &secret).call(),
        Some(body) => agent.post(&url).header(header, &secret).send(body.to_string()),
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

/// The base URL of the server, and the header and secret that open its administration.
fn server(remote: &RemoteArgs) -> Result<(String, &'static str, String)> {
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
        Ok([one]) => Ok((one.url, "x-parasol-token", one.token)),
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
