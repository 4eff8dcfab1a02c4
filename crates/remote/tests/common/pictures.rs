//! Pictures of a remote model, and answers with pictures as a server of a test sends them.

use super::{Asked, Server, entry_of, respond};
use parasol_core::{Error, EventStream, Imagine, ImagineEvent, ImagineRequest, Imagined};
use parasol_remote::{BackendEntry, Limits, RemoteEntry, RemoteModel, Remotes};
use parasol_wire::client::{Manner, Protocol};
use parasol_wire::imagining::{Drawing, SizeForm, Take};
use std::net::TcpStream;
use std::sync::Arc;

/// The protocols that have pictures.
pub(crate) const PROTOCOLS: [Protocol; 4] =
    [Protocol::OpenAi, Protocol::Gemini, Protocol::Stability, Protocol::Bfl];

/// A picture that is text, too: three pixels wide and two high.
pub(crate) const GIF: &str = "GIF89a\x03\0\x02\0";
/// The same in base64.
pub(crate) const BASE64: &str = "R0lGODlhAwACAA==";

/// Answers as a provider with this protocol does, jobs and their pictures included.
pub(crate) fn draw(protocol: Protocol, asked: &Asked, stream: &mut TcpStream) {
    let json = |stream: &mut TcpStream, body: String| respond(stream, 200, "application/json", "", &body);
    match protocol {
        Protocol::Gemini => json(
            stream,
            format!(
                r#"{{"candidates":[{{"finishReason":"STOP","content":{{"parts":[{{"text":"Here."}},{{"inlineData":{{"mimeType":"image/gif","data":"{BASE64}"}}}}]}}}}],"usageMetadata":{{"promptTokenCount":5,"candidatesTokenCount":1290}}}}"#
            ),
        ),
        Protocol::Stability => {
            respond(stream, 200, "image/gif", "seed: 42\r\nfinish-reason: SUCCESS\r\n", GIF)
        }
        Protocol::Bfl if asked.path.ends_with("/get_result?id=1") => json(
            stream,
            format!(
                r#"{{"id":"1","status":"Ready","result":{{"sample":"{}","seed":42}}}}"#,
                home(asked, "/sample.gif?sig=s1gned")
            ),
        ),
        Protocol::Bfl if asked.path.starts_with("/sample.gif") => respond(stream, 200, "image/gif", "", GIF),
        Protocol::Bfl => {
            json(stream, format!(r#"{{"id":"1","polling_url":"{}"}}"#, home(asked, "/v1/get_result?id=1")))
        }
        _ => json(
            stream,
            format!(
                r#"{{"created":1,"data":[{{"b64_json":"{BASE64}"}}],"usage":{{"input_tokens":5,"output_tokens":100,"total_tokens":105,"input_tokens_details":{{"text_tokens":5,"image_tokens":0}}}}}}"#
            ),
        ),
    }
}

/// An address of the server that was asked.
pub(crate) fn home(asked: &Asked, path: &str) -> String {
    let host =
        asked.head.to_lowercase().lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned));
    format!("http://{}{path}", host.unwrap())
}

pub(crate) fn manner(protocol: Protocol) -> Manner {
    let once =
        |form| Drawing { form, at_once: 1, takes: Some(vec![Take::Size, Take::Seed]), ..Drawing::default() };
    let drawing = match protocol {
        Protocol::Gemini | Protocol::Stability => once(SizeForm::Ratio),
        Protocol::Bfl => once(SizeForm::Pixels),
        _ => Drawing::default(),
    };
    Manner { drawing, ..Manner::standard() }
}

pub(crate) fn entry(protocol: Protocol, server: &Server, change: impl FnOnce(&mut Limits)) -> RemoteEntry {
    let base = match protocol {
        Protocol::Gemini => "v1beta",
        Protocol::Stability => "v2beta",
        _ => "v1",
    };
    let url = format!("http://{}/{base}", server.address);
    let backend = BackendEntry { protocol, url, manner: Some(manner(protocol)), ..server.entry(1) };
    RemoteEntry {
        capabilities: vec!["imagine".into()],
        ..entry_of(vec![backend], |limits| {
            (limits.first_token, limits.idle) = (4.0, 0.5);
            change(limits);
        })
    }
}

pub(crate) fn model(protocol: Protocol, server: &Server) -> Arc<RemoteModel> {
    Remotes::new().unwrap().open(&entry(protocol, server, |_| {})).unwrap()
}

/// What came of it: the pictures, the other events, and the error that ended it.
pub(crate) fn all(stream: EventStream<ImagineEvent>) -> (Vec<Imagined>, Vec<ImagineEvent>, Option<Error>) {
    let (events, error) = super::all(stream);
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            ImagineEvent::Image(image) => images.push(image),
            event => others.push(event),
        }
    }
    (images, others, error)
}

pub(crate) fn asked() -> ImagineRequest {
    ImagineRequest { prompt: "A lighthouse".into(), ..ImagineRequest::default() }
}

pub(crate) fn ask(model: &RemoteModel) -> (Vec<Imagined>, Vec<ImagineEvent>, Option<Error>) {
    all(model.imagine(asked()).unwrap())
}
