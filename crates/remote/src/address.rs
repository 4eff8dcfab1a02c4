//! Where a backend is and how it is asked: its base URL, and the key that must never be seen.

use crate::entry::BackendEntry;
use crate::keys::Key;
use base64::Engine as _;
use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::client::Protocol;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// The one parameter that an address may end with.
const VERSION: &str = "api-version";

/// A checked address. What it shows holds neither user nor password nor key.
pub(crate) struct Address {
    base: String,
    /// The version of the API, where it is asked for by a parameter.
    version: Option<String>,
    /// What proves who asks, and what the protocol wants with it.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What must not appear in a message, even when the backend repeats it.
    secrets: Vec<String>,
    key_name: Option<String>,
    local: bool,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

impl BackendEntry {
    /// Checks the address, as opening a model called `name` will, except for its key, which may be set elsewhere.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no address of a server.
    pub fn check(&self, name: &str) -> Result<()> {
        Address::new(self, name, |_| Some("set".into())).map(|_| ())
    }
}

impl Address {
    /// Checks the URL of an entry for a model that is called `name` here, and reads its key from the environment through `env`.
    pub(crate) fn new(
        entry: &BackendEntry,
        name: &str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let model = entry.model.as_deref().unwrap_or(name);
        let mut url = Url::parse(&entry.url.trim().replace("{model}", &encoded(model)))
            // The text may hold a password: it is not repeated.
            .map_err(|e| invalid(format!("a remote address is no URL ({e}): write http://host:port/v1")))?;
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        // These fail for URLs without a host only, which the next check refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(invalid(format!("the remote address {url} must begin with http:// or https://")));
        }
        let version =
            url.query_pairs().find(|(name, _)| name == VERSION).map(|(_, value)| value.into_owned());
        let more = url.query_pairs().any(|(name, _)| name != VERSION) || url.fragment().is_some();
        url.set_query(None);
        url.set_fragment(None);
        if more {
            return Err(invalid(format!(
                "the remote address {url} must end with its path: no # and nothing but {VERSION} behind a ?"
            )));
        }
        if url.path().trim_matches('/').is_empty() {
            url.set_path(match entry.protocol {
                Protocol::Gemini => "/v1beta",
                Protocol::Cohere => "/v2",
                Protocol::Stability => "/v2beta",
                _ => "/v1",
            });
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        let (key, key_name) = match (&entry.key, &entry.api_key_env) {
            (Some(key), _) => (Some(key.clone()), entry.key_name.clone()),
            (None, Some(name)) => {
                let key = env(name).filter(|key| !key.trim().is_empty());
                let key = key.ok_or_else(|| {
                    invalid(format!("the key of {base} should be in {name}, which is not set: set it"))
                })?;
                (Some(Key::new(&key, name)?), Some(name.clone()))
            }
            (None, None) => (None, entry.key_name.clone()),
        };
        let mut headers = Vec::new();
        let mut secrets = Vec::new();
        if let Some(key) = key {
            headers.push(with_key(entry, &key, &base)?);
            secrets.push(key.reveal().to_owned());
        } else if !user.is_empty() || password.is_some() {
            let password = password.unwrap_or_default();
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            headers.push((AUTHORIZATION, sensitive(&format!("Basic {pair}"), &base)?));
            secrets.extend([pair, password]);
        }
        if entry.protocol == Protocol::Anthropic {
            headers.push((HeaderName::from_static("anthropic-version"), HeaderValue::from_static(ANTHROPIC)));
        }
        if entry.protocol == Protocol::Runway {
            let version = HeaderValue::from_static(parasol_wire::runway::VERSION);
            headers.push((HeaderName::from_static("x-runway-version"), version));
        }
        let host = url.host_str().unwrap_or_default();
        let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= 4).collect();
        Ok(Self { base, version, headers, secrets, key_name, local })
    }

    /// What may be shown of it.
    pub(crate) fn shown(&self) -> &str {
        &self.base
    }

    /// The URL of an endpoint.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        let Some(version) = &self.version else { return format!("{}/{path}", self.base) };
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{}/{path}{sign}{VERSION}={}", self.base, encoded(version))
    }

    /// Whether an address is of the same server: the same scheme, host and port.
    pub(crate) fn is_home_of(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// Its host, where it is reached by TLS.
    pub(crate) fn secure_host(&self) -> Option<String> {
        let base = Url::parse(&self.base).ok().filter(|base| base.scheme() == "https")?;
        base.host_str().map(str::to_owned)
    }

    /// The headers that prove who asks, and those that the protocol wants with every request.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        self.headers.iter().cloned()
    }

    /// The variable that its key comes from.
    pub(crate) fn key_name(&self) -> Option<&str> {
        self.key_name.as_deref()
    }

    /// Whether it is this machine, which no proxy leads to.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// An error of this backend for a caller: where it happened, and nothing secret.
    pub(crate) fn explain(&self, model: &str, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, format!("{model} at {}: {}", self.base, self.struck(message)))
    }

    /// What the backend says, with nothing secret.
    pub(crate) fn struck(&self, message: &str) -> String {
        self.secrets.iter().fold(message.to_owned(), |text, secret| without(&text, secret))
    }
}

/// So many characters of a secret's beginning are struck out by themselves: providers repeat keys that they have shortened. Fewer
/// may be what all keys of a provider begin with.
const TELLING: usize = 14;

/// A text without `secret`, and without as much of its beginning as is repeated.
fn without(text: &str, secret: &str) -> String {
    let telling = secret.char_indices().nth(TELLING).map_or(secret.len(), |(end, _)| end);
    let (begins, goes_on) = secret.split_at(telling);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(begins) {
        out.push_str(before);
        out.push_str("***");
        let same = after.chars().zip(goes_on.chars()).take_while(|(one, other)| one == other);
        let length: usize = same.map(|(one, _)| one.len_utf8()).sum();
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The version of Anthropic's API that is spoken.
const ANTHROPIC: &str = "2023-06-01";

/// The header that carries the key.
fn with_key(entry: &BackendEntry, key: &Key, base: &str) -> Result<(HeaderName, HeaderValue)> {
    let named = match (&entry.key_header, entry.protocol) {
        (Some(name), _) => Some(name.as_str()),
        (None, Protocol::Anthropic) => Some("x-api-key"),
        (None, Protocol::Gemini) => Some("x-goog-api-key"),
        (None, Protocol::ElevenLabs) => Some("xi-api-key"),
        (None, Protocol::Bfl) => Some("x-key"),
        (
            None,
            Protocol::OpenAi
            | Protocol::Responses
            | Protocol::Cohere
            | Protocol::Stability
            | Protocol::Runway,
        ) => None,
    };
    match named {
        None => Ok((AUTHORIZATION, sensitive(&format!("Bearer {}", key.reveal()), base)?)),
        Some(name) => {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(format!("the key of {base} cannot be in a header {name:?}")))?;
            Ok((header, sensitive(key.reveal(), base)?))
        }
    }
}

fn sensitive(text: &str, base: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| invalid(format!("the key of {base} holds characters that no header can carry")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name as one part of a path or a query: whatever has a meaning there is written as `%2F`.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            // Writing to a text does not fail.
            other => drop(write!(out, "%{other:02X}")),
        }
    }
    out
}

/// `%40` as `@`: user and password are written so in a URL. What is malformed stays.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(high).zip(digit(low)).map(|(high, low)| (high << 4) | low)
            }
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(url: &str, key: Option<&str>) -> Result<Address> {
        let entry = BackendEntry {
            url: url.into(),
            api_key_env: key.map(|_| "KEY".into()),
            ..BackendEntry::default()
        };
        Address::new(&entry, "m", |name| key.filter(|_| name == "KEY").map(str::to_owned))
    }

    #[test]
    fn azures_older_form_has_the_model_in_its_path_and_a_version_behind_it() {
        let url = "https://r.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21";
        let entry =
            BackendEntry { url: url.into(), model: Some("my gpt/4".into()), ..BackendEntry::default() };
        let it = Address::new(&entry, "x", |_| None).unwrap();
        let base = "https://r.openai.azure.com/openai/deployments/my%20gpt%2F4";
        assert_eq!(
            it.endpoint("chat/completions"),
            format!("{base}/chat/completions?api-version=2024-10-21")
        );
        assert_eq!(it.endpoint("a?b=c"), format!("{base}/a?b=c&api-version=2024-10-21"));
        assert_eq!(it.shown(), base);
        let other = address("http://h/{model}/v1", None).unwrap();
        assert_eq!(other.endpoint("models"), "http://h/m/v1/models");
    }

    #[test]
    fn urls_are_checked_and_secrets_kept() {
        let it = address("http://joe:s%40cret@127.0.0.1:8000", None).unwrap();
        assert_eq!(it.endpoint("models"), "http://127.0.0.1:8000/v1/models");
        assert!(it.is_local() && !format!("{it:?}").contains("cret"));
        assert!(it.headers().next().unwrap().1.is_sensitive());
        let error = it.explain("m", ErrorKind::Network, "wrong password s@cret");
        assert_eq!(error.message(), "m at http://127.0.0.1:8000/v1: wrong password ***");
        let it = address("https://host/api/v2/", Some("sk-123456")).unwrap();
        assert_eq!(it.shown(), "https://host/api/v2");
        assert!(!it.explain("m", ErrorKind::Network, "bad key sk-123456").message().contains("sk-"));
        // Also where a provider has shortened the key.
        let it = address("https://host", Some("sk-proj-0123456789abcdef")).unwrap();
        for (said, left) in [
            ("sk-proj-0123456789abcdef, or sk-proj-0123456789abcdef!", "***, or ***!"),
            ("the key sk-proj-012345***cdef is none", "the key ******cdef is none"),
            ("sk-proj-0123456789ab…", "***…"),
            ("sk-proj-01234 and 0123456789abcdef", "sk-proj-01234 and 0123456789abcdef"),
        ] {
            assert_eq!(it.struck(said), left);
        }
        for bad in [
            "",
            "host",
            "ftp://host/v1",
            "http://u:pass1@h/v1?x=1",
            "http://h/v1?api-version=1&key=pass1",
            "file:///etc",
        ] {
            let error = address(bad, None).unwrap_err();
            assert!(!error.message().contains("pass1"), "{error}");
        }
        assert!(address("http://h", Some(" ")).unwrap_err().message().contains("KEY"));
        assert!(address("http://h", Some("a\nb")).is_err());
    }

    #[test]
    fn every_protocol_has_its_header_for_the_key() {
        for (protocol, header, names) in [
            (Protocol::OpenAi, None, vec!["authorization"]),
            (Protocol::OpenAi, Some("api-key"), vec!["api-key"]),
            (Protocol::Anthropic, None, vec!["x-api-key", "anthropic-version"]),
            (Protocol::Gemini, None, vec!["x-goog-api-key"]),
        ] {
            let entry = BackendEntry {
                url: "https://h".into(),
                protocol,
                key: Some(Key::new("k-123456", "x").unwrap()),
                key_header: header.map(str::to_owned),
                ..BackendEntry::default()
            };
            let it = Address::new(&entry, "m", |_| None).unwrap();
            let got: Vec<String> = it.headers().map(|(name, _)| name.to_string()).collect();
            assert_eq!(got, names);
            assert!(!format!("{entry:?}{it:?}").contains("k-123456"));
        }
    }
}
