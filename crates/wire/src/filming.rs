//! Asking a provider for a film, whichever protocol it speaks: the job as it is begun, looked at and ended, and where its film lies.
//! Films take minutes, so that all of them are jobs: one request begins it, further ones ask how far it is. Sockets, times and money are
//! the remote engine's.

use crate::client::{Manner, Protocol};
use crate::{gemini, openai, runway};
use parasol_core::{Error, ErrorKind, FilmRequest, FilmSize, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a model makes films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilmManner {
    /// How long they are where a request says nothing, in seconds. It is always sent, so that what a film costs is known ahead.
    pub seconds: u32,
    /// Their width and height where a request says nothing; always sent, too.
    pub size: FilmSize,
    /// It takes a seed.
    pub seed: bool,
    /// It takes a text of what is not to be seen.
    pub negative_prompt: bool,
    /// It makes them of a text alone …
    pub from_text: bool,
    /// … and of a picture that they begin with.
    pub first_frame: bool,
}

impl Default for FilmManner {
    fn default() -> Self {
        Self {
            seconds: 4,
            size: FilmSize { width: 1280, height: 720 },
            seed: false,
            negative_prompt: false,
            from_text: true,
            first_frame: true,
        }
    }
}

/// What is asked for, with what the request leaves open filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// How long it is to be, in seconds.
    pub seconds: u32,
    /// Its width and height.
    pub size: FilmSize,
}

impl Shot {
    /// That of a request to a model.
    #[must_use]
    pub fn of(request: &FilmRequest, manner: &Manner) -> Self {
        Self {
            seconds: request.seconds.unwrap_or(manner.films.seconds),
            size: request.size.unwrap_or(manner.films.size),
        }
    }
}

/// A request as it goes out, by POST.
#[derive(Debug, Clone, PartialEq)]
pub struct FilmCall {
    /// The endpoint below the base URL.
    pub path: String,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl FilmCall {
    pub(crate) fn json(path: impl Into<String>, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { path: path.into(), content_type: "application/json".to_owned(), body }
    }
}

/// Where a film lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Below the provider's base URL, where its key opens it.
    Below(String),
    /// At an address that the provider tells.
    At(String),
}

/// How a job does.
#[derive(Debug, Clone, PartialEq)]
pub enum FilmState {
    /// It waits for its turn.
    Queued,
    /// It is worked on: so many per cent are done, where that is told.
    Running(Option<u8>),
    /// The film is there; how many seconds it lasts, where that is told.
    Done(Place, Option<u32>),
    /// There will be no film.
    Failed {
        /// The provider's word for it.
        code: String,
        /// What it says.
        message: String,
    },
    /// Somebody ended it.
    Cancelled,
}

/// The request that begins a film of `model`. `boundary` stands between the fields of a form: letters and digits that nobody could have
/// put into them.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the protocol, or the model, cannot express.
pub fn create(
    protocol: Protocol,
    model: &str,
    request: &FilmRequest,
    manner: &Manner,
    boundary: &str,
) -> Result<FilmCall> {
    let films = &manner.films;
    if request.first_frame.is_none() && !films.from_text {
        let message = "first_frame: the model makes films of a picture that they begin with: name one";
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let extended = protocol == Protocol::OpenAi && manner.extended;
    refuse(request.first_frame.is_some() && !films.first_frame, "first_frame", "the model takes no picture")?;
    refuse(request.seed.is_some() && !films.seed && !extended, "seed", "the model takes none")?;
    let negative = request.negative_prompt.is_some() && !films.negative_prompt && !extended;
    refuse(negative, "negative_prompt", "the model takes none")?;
    let shot = Shot::of(request, manner);
    match protocol {
        Protocol::OpenAi => Ok(openai::filming::create(model, request, shot, boundary)),
        Protocol::Gemini => gemini::films::create(model, request, shot),
        Protocol::Runway => Ok(runway::create(model, request, shot)),
        _ => Err(none()),
    }
}

/// The request that makes another film of one that is done, as `prompt` says.
///
/// # Errors
/// `Unsupported` where the protocol has none; `InvalidRequest` for an id that is none.
pub fn remix(protocol: Protocol, id: &str, prompt: &str) -> Result<FilmCall> {
    match protocol {
        Protocol::OpenAi => openai::filming::remix(id, prompt),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            "remix: the provider of this film makes none of its films anew: ask for another",
        )),
    }
}

/// The id of a job that has been accepted, and how it does.
///
/// # Errors
/// `Network` for what is no answer of this protocol.
pub fn accepted(protocol: Protocol, body: &Value) -> Result<(String, FilmState)> {
    let field = if protocol == Protocol::Gemini { "name" } else { "id" };
    let id = body[field].as_str().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| wrong(&format!("holds no {field}, so that the job cannot be found again")))?;
    // What could not be asked for again is no name of a job.
    look(protocol, id).map_err(|e| wrong(&format!("names the job {:?}: {}", shortened(id), e.message())))?;
    let state = match protocol {
        // It tells no more than the id.
        Protocol::Runway => FilmState::Queued,
        _ => state(protocol, id, body)?,
    };
    Ok((id.to_owned(), state))
}

/// The path at which a job is looked at, by GET.
///
/// # Errors
/// `InvalidRequest` for an id that is none; `Unsupported` where the protocol has no films.
pub fn look(protocol: Protocol, id: &str) -> Result<String> {
    match protocol {
        Protocol::OpenAi => Ok(format!("videos/{}", segment(id)?)),
        Protocol::Gemini => gemini::films::operation(id),
        Protocol::Runway => Ok(format!("tasks/{}", segment(id)?)),
        _ => Err(none()),
    }
}

/// How a job does, by the answer to [`look`].
///
/// # Errors
/// `Network` for what is no answer of this protocol.
pub fn state(protocol: Protocol, id: &str, body: &Value) -> Result<FilmState> {
    match protocol {
        Protocol::OpenAi => openai::filming::state(id, body),
        Protocol::Gemini => gemini::films::state(body),
        Protocol::Runway => runway::state(body),
        _ => Err(none()),
    }
}

/// The path that ends a job, by DELETE; `None` where the protocol has no way to.
///
/// # Errors
/// As [`look`].
pub fn end(protocol: Protocol, id: &str) -> Result<Option<String>> {
    match protocol {
        Protocol::Gemini => Ok(None),
        _ => look(protocol, id).map(Some),
    }
}

/// An id as one segment of a path.
pub(crate) fn segment(id: &str) -> Result<String> {
    use std::fmt::Write;
    if id.is_empty() || id.len() > 512 || id.chars().all(|c| c == '.') || id.chars().any(char::is_control) {
        let message = format!("id: {:?} is no job of this provider", shortened(id));
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let mut out = String::new();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            // Writing to a text does not fail.
            other => drop(write!(out, "%{other:02X}")),
        }
    }
    Ok(out)
}

/// A foreign text as it may be repeated.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What a provider says of a failure, as it may be repeated.
pub(crate) fn failed(code: Option<&str>, message: Option<&str>) -> FilmState {
    let told = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(shortened_long);
    let code = told(code).unwrap_or_else(|| "failed".to_owned());
    let message = told(message).unwrap_or_else(|| "the provider does not say why".to_owned());
    FilmState::Failed { code, message }
}

fn shortened_long(text: &str) -> String {
    text.chars().take(2000).collect()
}

pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("the provider's answer about the film {what}"))
}

fn refuse(asked: bool, field: &str, why: &str) -> Result<()> {
    if !asked {
        return Ok(());
    }
    let message = format!("{field}: {why}; leave it out, or take another model");
    Err(Error::new(ErrorKind::Unsupported, message))
}

fn none() -> Error {
    Error::new(ErrorKind::Unsupported, "films: the protocol of this model's provider has none")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::FirstFrame;

    const PROTOCOLS: [Protocol; 3] = [Protocol::OpenAi, Protocol::Gemini, Protocol::Runway];

    fn asked() -> FilmRequest {
        FilmRequest { prompt: "A cat.".into(), ..FilmRequest::default() }
    }

    #[test]
    fn what_a_model_cannot_do_is_refused_by_name() {
        let frame = FirstFrame { bytes: b"\x89PNG\r\n\x1a\n".to_vec() };
        let less = |films: FilmManner| Manner { films, ..Manner::standard() };
        for protocol in PROTOCOLS {
            for (request, films, field) in [
                (FilmRequest { seed: Some(1), ..asked() }, FilmManner::default(), "seed: "),
                (
                    FilmRequest { negative_prompt: Some("dogs".into()), ..asked() },
                    FilmManner::default(),
                    "negative_prompt: ",
                ),
                (
                    FilmRequest { first_frame: Some(frame.clone()), ..asked() },
                    FilmManner { first_frame: false, ..FilmManner::default() },
                    "first_frame: ",
                ),
                (asked(), FilmManner { from_text: false, ..FilmManner::default() }, "first_frame: "),
            ] {
                let error = create(protocol, "m", &request, &less(films), "x").unwrap_err();
                assert!(error.message().starts_with(field), "{protocol:?}: {error}");
            }
        }
        for protocol in [Protocol::Anthropic, Protocol::Cohere, Protocol::ElevenLabs, Protocol::Responses] {
            let error = create(protocol, "m", &asked(), &Manner::standard(), "x").unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{protocol:?}");
        }
        let error = remix(Protocol::Runway, "a", "b").unwrap_err();
        assert!(error.message().starts_with("remix: "), "{error}");
    }

    #[test]
    fn no_id_leads_out_of_its_path() {
        for protocol in PROTOCOLS {
            for id in ["", ".", "..", "a\nb", &"x".repeat(600)] {
                assert!(look(protocol, id).is_err(), "{protocol:?}: {id:?}");
            }
        }
        assert_eq!(look(Protocol::OpenAi, "../models?x#y").unwrap(), "videos/..%2Fmodels%3Fx%23y");
        assert_eq!(look(Protocol::Runway, "17f20503-6c24").unwrap(), "tasks/17f20503-6c24");
        for id in [
            "models/../x",
            "models/m/operations/../x",
            "files/x",
            "models/m/operations/x?y",
            "/models",
            "http://h",
        ] {
            assert!(look(Protocol::Gemini, id).is_err(), "{id}");
        }
        assert_eq!(end(Protocol::Gemini, "models/veo/operations/x").unwrap(), None);
    }

    #[test]
    fn an_answer_without_a_job_is_told_from_one_with() {
        for protocol in PROTOCOLS {
            for body in [
                "{}",
                "[]",
                "null",
                r#"{"id":"","name":""}"#,
                r#"{"id":7,"name":7}"#,
                r#"{"id":"..","name":".."}"#,
            ] {
                let error = accepted(protocol, &serde_json::from_str(body).unwrap()).unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::Network, "{protocol:?}: {body}");
            }
        }
    }
}
