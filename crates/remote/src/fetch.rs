//! Fetching what lies at an address that a provider named: a job's state, with the key and at home only; a picture, without the key,
//! from anywhere on the public network. A provider's answer must not lead to this machine or the network that it stands in.

use crate::backend::{Backend, Verdict};
use crate::failure::{Failure, innermost};
use crate::model::Inner;
use parasol_core::{Error, ErrorKind, Picture, Result};
use parasol_wire::imagining;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder, Response, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The largest picture that is fetched.
pub(crate) const LARGEST_PICTURE: usize = 64 << 20;
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
        true => inner.client(backend).clone(),
        false => {
            is_public(&url).map_err(&refuse)?;
            public().map_err(&refuse)?
        }
    };
    let mut pause = PAUSE;
    for tries in 1.. {
        match timeout_at(due, once(&client, &url)).await {
            Err(_) => {
                let message = "its picture did not arrive in time";
                return Err(late(backend, name, ErrorKind::Timeout, message));
            }
            Ok(Ok(bytes)) => return imagining::picture(bytes).map_err(&refuse),
            Ok(Err((error, again))) if !again || tries >= TRIES => return Err(refuse(error)),
            Ok(Err(_)) => sleep(pause).await,
        }
        pause = pause.saturating_mul(2);
    }
    Err(refuse(broken("its picture was not fetched")))
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
    let announced = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    body(&mut response, announced, LARGEST_PICTURE).await.map_err(|e| match e {
        Some(e) => transport(e),
        None => (broken(&format!("its picture at {host} is larger than {LARGEST_PICTURE} bytes")), false),
    })
}

/// A body within a limit; `None` as the error where it is larger.
pub(crate) async fn body(
    response: &mut Response,
    announced: usize,
    largest: usize,
) -> Result<Vec<u8>, Option<reqwest::Error>> {
    if announced > largest {
        return Err(None);
    }
    let mut body = Vec::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(Some)? {
        if body.len().saturating_add(chunk.len()) > largest {
            return Err(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn broken(message: &str) -> Error {
    Error::new(ErrorKind::Network, message)
}

/// Whether an address may be fetched from as far as it tells: by TLS, and from no number of a network that is not the public one. What
/// a name leads to is judged by [`Guard`].
fn is_public(url: &Url) -> Result<()> {
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" {
        return Err(broken(&format!("its picture lies at {host}, which is not reached by https")));
    }
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match number {
        Ok(ip) if !is_global(ip) => {
            Err(broken(&format!("its picture lies at {host}, which is no address of the public network")))
        }
        _ => Ok(()),
    }
}

/// A client that reaches the public network only. It keeps no connection: each address is asked once.
fn public() -> Result<Client> {
    let builder = crate::client::builder(Duration::from_secs(10))?;
    let builder = builder.dns_resolver(Arc::new(Guard)).pool_max_idle_per_host(0);
    builder
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("the HTTP client cannot be set up: {e}")))
}

/// Resolves names to addresses of the public network.
struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let fine: Vec<_> = found.filter(|address| is_global(address.ip())).collect();
            if fine.is_empty() {
                return Err(format!("{} leads to no address of the public network", name.as_str()).into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is of the public network. Reference: IANA's registries of special-purpose addresses.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_global_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Mapped and translated addresses lead to the one within.
        (0, 0) if (c, d, e) == (0, 0, 0) && matches!(f, 0 | 0xffff) => f == 0xffff && inner(g, h),
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && inner(g, h),
        (0x2002, _) => inner(b, c),
        // Teredo, documentation, and other uses that are no servers.
        (0x2001, 0..=0x1ff | 0xdb8) => false,
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_public_network_is_fetched_from() {
        let may = |url: &str| is_public(&Url::parse(url).unwrap()).is_ok();
        for url in ["https://delivery-eu.bfl.ai/x.png?sig=1", "https://8.8.8.8/x", "https://[2606:4700::1]/x"]
        {
            assert!(may(url), "{url}");
        }
        for url in [
            "http://delivery-eu.bfl.ai/x.png",
            "ftp://h/x",
            "https://127.0.0.1:8080/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://10.0.0.7/x",
            "https://172.20.1.1/x",
            "https://192.168.1.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://100.100.100.200/x",
            "https://0.0.0.0/x",
            "https://[::1]/x",
            "https://[::]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[64:ff9b::7f00:1]/x",
            "https://[2002:7f00:1::]/x",
            "https://[fd00::1]/x",
            "https://[fe80::1]/x",
            "file:///etc/passwd",
        ] {
            assert!(!may(url), "{url}");
        }
    }

    #[test]
    fn a_name_that_leads_here_is_not_followed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime
            .block_on(async { public().unwrap().get("https://localhost:9/x").send().await.unwrap_err() });
        assert!(innermost(&error).contains("no address of the public network"), "{error:?}");
    }
}
