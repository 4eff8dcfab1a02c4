//! Fetching what lies at an address that a provider named: a job's state, with the key and at home only; a picture, without the key,
//! from anywhere on the public network. A provider's answer must not lead to this machine or the network that it stands in.

use crate::backend::{Backend, Verdict};
use crate::failure::{Failure, innermost};
use crate::guard::refused;
use crate::model::Inner;
use crate::whole::body;
use parasol_core::{Error, ErrorKind, Picture, Result};
use parasol_wire::imagining;
use reqwest::{Client, RequestBuilder, Url};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The largest picture that is fetched.
const LARGEST_PICTURE: usize = 64 << 20;
/// Tries to fetch one, and the first pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Something went wrong after the work was asked for: nobody does it again.
pub(crate) fn late(backend: &Backend, name: &str, kind: ErrorKind, message: &str) -> Failure {
    let error = backend.address.explain(name, kind, message);
    Failure { error, verdict: Verdict::Bad, elsewhere: false, again: false }
}

/// A question after a job, which carries the key and so goes to the provider's own servers only.
pub(crate) fn question(inner: &Inner, backend: &Backend, url: &str) -> Result<RequestBuilder, Failure> {
    let name = inner.entry.name.as_str();
    let refuse = |what: String| late(backend, name, ErrorKind::Network, &what);
    let url = Url::parse(url).map_err(|_| refuse("it named a job's address that is none".into()))?;
    let host = url.host_str().unwrap_or_default();
    let home = backend.address.secure_host();
    let kin = url.scheme() == "https" && home.is_some_and(|home| imagining::may_be_asked(&home, host));
    if !backend.address.is_home_of(&url) && !kin {
        let message = format!("it named {host} as the place of its job, where the key is not taken");
        return Err(refuse(message));
    }
    let request = inner.client(backend).get(url);
    Ok(backend.address.headers().fold(request, |request, (name, value)| request.header(name, value)))
}

/// The picture at an address, by `due`. A few tries are made, since it is paid for.
pub(crate) async fn picture(
    inner: &Inner,
    backend: &Backend,
    url: &str,
    due: Instant,
) -> Result<Picture, Failure> {
    let name = inner.entry.name.as_str();
    let refuse = |error: Error| late(backend, name, ErrorKind::Network, error.message());
    let url = Url::parse(url).map_err(|_| refuse(broken("it named a picture's address that is none")))?;
    let client = match backend.address.is_home_of(&url) {
        true => inner.client(backend),
        false => {
            if let Some(why) = refused(&url) {
                let message = format!("the address of its picture {why}: nothing is fetched from there");
                return Err(refuse(broken(&message)));
            }
            inner.outside().map_err(&refuse)?
        }
    };
    let (mut pause, mut tries) = (PAUSE, 1);
    loop {
        match timeout_at(due, once(client, &url)).await {
            Err(_) => {
                let message = "its picture did not arrive in time";
                return Err(late(backend, name, ErrorKind::Timeout, message));
            }
            Ok(Ok(bytes)) => return imagining::picture(bytes).map_err(&refuse),
            Ok(Err((error, again))) if !again || tries >= TRIES => return Err(refuse(error)),
            Ok(Err(_)) => sleep(pause).await,
        }
        (pause, tries) = (pause.saturating_mul(2), tries + 1);
    }
}

/// One try, and whether another makes sense.
async fn once(client: &Client, url: &Url) -> Result<Vec<u8>, (Error, bool)> {
    let host = url.host_str().unwrap_or_default();
    let transport = |e: reqwest::Error| {
        (broken(&format!("its picture could not be fetched from {host}: {}", innermost(&e))), true)
    };
    let mut response = client.get(url.clone()).send().await.map_err(transport)?;
    let status = response.status();
    if status.is_redirection() {
        let message = format!(
            "its picture's address at {host} leads elsewhere (status {}), which is not followed",
            status.as_u16()
        );
        return Err((broken(&message), false));
    }
    if !status.is_success() {
        let again = status.is_server_error() || status.as_u16() == 429;
        return Err((
            broken(&format!("{host} answered with status {} for its picture", status.as_u16())),
            again,
        ));
    }
    body(&mut response, LARGEST_PICTURE).await.map_err(|e| match e {
        Some(e) => transport(e),
        None => (broken(&format!("its picture at {host} is larger than {LARGEST_PICTURE} bytes")), false),
    })
}

fn broken(message: &str) -> Error {
    Error::new(ErrorKind::Network, message)
}
