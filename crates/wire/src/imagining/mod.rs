//! Asking a provider for pictures, whichever protocol it speaks: what goes out, and what comes back. OpenAI's form and its kin are in
//! `openai/drawing.rs`, Gemini's in `gemini/picture.rs`, Stability's and Black Forest Labs' beside this.

mod drawing;

pub(crate) use drawing::seed;
pub use drawing::{Drawing, SizeForm, Take};

use crate::client::{Manner, Protocol};
use crate::{bfl, gemini, openai, stability};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{Error, ErrorKind, ImagineRequest, ImagineUsage, Picture, Result};

pub use crate::bfl::{Job, State as JobState, may_be_asked};
pub use crate::openai::drawing::{Event, Events};

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The endpoint below the base URL.
    pub path: String,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// What is wanted back.
    pub accept: &'static str,
    /// How it is answered.
    pub answer: Answer,
    /// Fields of the request that have no effect there, and why.
    pub ignored: Vec<(String, String)>,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// By the pictures, in one piece: [`read`].
    Whole,
    /// By events: [`Events`].
    Events,
    /// By a job that is asked for until it is done: [`Job`].
    Job,
}

/// What a request is of.
#[derive(Debug, Clone, Copy)]
pub struct Part<'r> {
    /// The whole of what was asked for.
    pub request: &'r ImagineRequest,
    /// The first of its pictures that this is about …
    pub index: usize,
    /// … and how many.
    pub count: usize,
}

/// The request by which `model` is asked for a part of the pictures. `boundary` stands between the fields of a form: letters and digits
/// that nobody could have put into them.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the protocol, or the model, cannot be told.
pub fn request(
    protocol: Protocol,
    model: &str,
    part: Part<'_>,
    manner: &Manner,
    boundary: &str,
) -> Result<Outgoing> {
    let ignored = match protocol {
        Protocol::OpenAi | Protocol::Gemini | Protocol::Stability | Protocol::Bfl => {
            manner.drawable(protocol, part.request)?
        }
        Protocol::Responses
        | Protocol::Anthropic
        | Protocol::Cohere
        | Protocol::ElevenLabs
        | Protocol::Runway => {
            let message = "the protocol of this model's provider has no pictures: take another model";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let written = match protocol {
        Protocol::Gemini => gemini::picture::request(model, part, manner)?,
        Protocol::Stability => stability::request(model, part, manner, boundary)?,
        Protocol::Bfl => bfl::request(model, part, manner)?,
        _ => openai::drawing::request(model, part, manner, boundary)?,
    };
    Ok(Outgoing { ignored, ..written })
}

/// An answer as it came.
pub struct Received<'a> {
    /// Its media type, in lower case.
    pub kind: &'a str,
    /// Its headers, by lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Its body.
    pub body: &'a [u8],
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// The pictures, in order.
    pub pictures: Vec<Made>,
    /// What they took, as far as it is told; the pictures are not counted in it.
    pub usage: ImagineUsage,
}

/// A picture of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Where it is.
    pub source: Source,
    /// The seed that it was drawn from, where that is told.
    pub seed: Option<u64>,
    /// The prompt as it was rewritten, where that is told.
    pub revised_prompt: Option<String>,
}

/// Where a picture of an answer is.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Here.
    Here(Picture),
    /// At this address, from which it has to be fetched.
    Address(String),
}

impl Made {
    /// A picture without anything told about it.
    pub(crate) fn plain(source: Source) -> Self {
        Self { source, seed: None, revised_prompt: None }
    }
}

/// Reads an answer that came in one piece.
///
/// # Errors
/// `InvalidRequest` where the provider withheld the picture; `Network` for what is no answer of this protocol, or holds no picture.
pub fn read(protocol: Protocol, received: &Received<'_>) -> Result<Drawn> {
    let drawn = match protocol {
        Protocol::Gemini => gemini::picture::read(received.body)?,
        Protocol::Stability => stability::read(received)?,
        _ => openai::drawing::read(received.body)?,
    };
    match drawn.pictures.is_empty() {
        true => Err(wrong("holds no picture")),
        false => Ok(drawn),
    }
}

/// An answer that is none.
pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("the provider's answer {what}"))
}

/// A picture that was made, or would have been, and is not shown.
pub(crate) fn withheld(why: &str) -> Error {
    let why: String = why.chars().take(500).collect();
    let message = format!("the provider's filter withheld the picture ({why}): ask for something else");
    Error::new(ErrorKind::InvalidRequest, message)
}

/// The picture in base64.
///
/// # Errors
/// `Network` for what is no base64 or no picture.
pub(crate) fn unpacked(base64: &str) -> Result<Picture> {
    let bytes = STANDARD
        .decode(base64.trim())
        .map_err(|e| wrong(&format!("holds a picture that is no base64: {e}")))?;
    picture(bytes)
}

/// The picture in these bytes, which a provider sent.
///
/// # Errors
/// `Network` for what is no picture.
pub fn picture(bytes: Vec<u8>) -> Result<Picture> {
    Picture::new(bytes).map_err(|e| wrong(&format!("is no picture: {}", e.message())))
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A picture as a `data:` URL.
pub(crate) fn data_url(picture: &Picture) -> String {
    crate::media::data_url(Some(picture.format.media_type()), &base64(&picture.bytes))
}

/// A body of JSON.
pub(crate) fn json(path: impl Into<String>, body: &serde_json::Value, answer: Answer) -> Outgoing {
    Outgoing {
        path: path.into(),
        content_type: "application/json".into(),
        body: body.to_string().into_bytes(),
        accept: if answer == Answer::Events { "text/event-stream" } else { "application/json" },
        answer,
        ignored: Vec::new(),
    }
}
