//! Google's films: `POST /v1beta/models/veo-…:predictLongRunning`, and the operation that it begins.
//! Reference: <https://ai.google.dev/gemini-api/docs/video> and its package google-genai as of 21 August 2026; later ones begin no film in this API.

use crate::client::{gemini_name, is_plain};
use crate::filming::{FilmCall, FilmState, Place, Shot, failed, shortened, wrong};
use crate::imagining::base64;
use parasol_core::{Error, ErrorKind, FilmRequest, FilmSize, Result};
use serde_json::{Value, json};

/// The sizes that there are: width and height lying, and what the protocol calls it.
const SIZES: [(u32, u32, &str); 3] = [(1280, 720, "720p"), (1920, 1080, "1080p"), (3840, 2160, "4k")];

/// The request that begins a film.
///
/// # Errors
/// `InvalidRequest` for a size or a model's name that the protocol does not have.
pub(crate) fn create(model: &str, request: &FilmRequest, shot: Shot) -> Result<FilmCall> {
    let (aspect, resolution) = shape(shot.size)?;
    let mut instance = json!({ "prompt": request.prompt });
    if let Some(frame) = &request.first_frame {
        // A request is checked before it is written: a frame that is none does not come here.
        let kind = frame.media_type().unwrap_or("application/octet-stream");
        instance["image"] = json!({ "bytesBase64Encoded": base64(&frame.bytes), "mimeType": kind });
    }
    let mut parameters =
        json!({ "aspectRatio": aspect, "resolution": resolution, "durationSeconds": shot.seconds });
    if let Some(text) = &request.negative_prompt {
        parameters["negativePrompt"] = text.as_str().into();
    }
    if let Some(seed) = request.seed {
        parameters["seed"] = seed.into();
    }
    let body = json!({ "instances": [instance], "parameters": parameters });
    Ok(FilmCall::json(format!("{}:predictLongRunning", gemini_name(model)?), &body))
}

fn shape(size: FilmSize) -> Result<(&'static str, &'static str)> {
    let all = SIZES.iter().flat_map(|(w, h, name)| [(*w, *h, "16:9", *name), (*h, *w, "9:16", *name)]);
    let found = all.clone().find(|(w, h, _, _)| (*w, *h) == (size.width, size.height));
    found.map(|(_, _, aspect, name)| (aspect, name)).ok_or_else(|| {
        let names: Vec<String> = all.map(|(w, h, _, _)| format!("{w}x{h}")).collect();
        let message =
            format!("size: {size} is none of those that Google makes films of: {}", names.join(", "));
        Error::new(ErrorKind::InvalidRequest, message)
    })
}

/// The path of an operation, by its name.
///
/// # Errors
/// `InvalidRequest` for what is no operation's name.
pub(crate) fn operation(name: &str) -> Result<String> {
    let parts: Vec<&str> = name.split('/').collect();
    let known = match parts.as_slice() {
        ["models", model, "operations", id] => is_plain(model) && is_plain(id),
        ["operations", id] => is_plain(id),
        _ => false,
    };
    if known && name.len() <= 512 {
        return Ok(name.to_owned());
    }
    let message = format!("id: {:?} is no operation of Google's", shortened(name));
    Err(Error::new(ErrorKind::InvalidRequest, message))
}

/// How an operation does.
pub(crate) fn state(body: &Value) -> Result<FilmState> {
    if !body.is_object() {
        return Err(wrong("is no operation"));
    }
    let error = &body["error"];
    if error.is_object() {
        let code =
            error["status"].as_str().map(str::to_owned).or_else(|| Some(error["code"].as_i64()?.to_string()));
        return Ok(failed(code.as_deref(), error["message"].as_str()));
    }
    if body["done"] != true {
        return Ok(FilmState::Running(None));
    }
    let made = &body["response"]["generateVideoResponse"];
    if let Some(uri) = made["generatedSamples"][0]["video"]["uri"].as_str() {
        return Ok(FilmState::Done(place(uri), None));
    }
    let reason = made["raiMediaFilteredReasons"][0].as_str();
    if reason.is_some() || made["raiMediaFilteredCount"].as_u64().is_some_and(|count| count > 0) {
        return Ok(failed(Some("filtered"), reason.or(Some("the provider withheld the film"))));
    }
    Err(wrong("says that it is made and not where it lies"))
}

/// A file of Google's is fetched where the provider is reached, as its own clients do it; anything else where it lies.
fn place(uri: &str) -> Place {
    let id = uri
        .split_once("/files/")
        .map(|(_, rest)| rest.split([':', '?', '/', '#']).next().unwrap_or_default());
    let plain =
        |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match id.filter(plain) {
        Some(id) => Place::Below(format!("files/{id}:download?alt=media")),
        None => Place::At(uri.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::client::{Manner, Protocol};
    use crate::filming::{self, FilmManner};
    use parasol_core::FirstFrame;

    #[test]
    fn a_film_is_asked_for_by_shape_and_length() {
        let films = FilmManner { negative_prompt: true, seconds: 8, ..FilmManner::default() };
        let manner = Manner { films, ..Manner::standard() };
        let request = FilmRequest {
            prompt: "A cat.".into(),
            negative_prompt: Some("dogs".into()),
            size: Some("1080x1920".parse().unwrap()),
            first_frame: Some(FirstFrame { bytes: b"\xff\xd8\xffx".to_vec() }),
            ..FilmRequest::default()
        };
        let call = filming::create(Protocol::Gemini, "veo-3.1-generate-001", &request, &manner, "x").unwrap();
        assert_eq!(call.path, "models/veo-3.1-generate-001:predictLongRunning");
        let wanted = json!({
            "instances": [{ "prompt": "A cat.", "image": { "bytesBase64Encoded": "/9j/eA==", "mimeType": "image/jpeg" } }],
            "parameters": { "aspectRatio": "9:16", "resolution": "1080p", "durationSeconds": 8, "negativePrompt": "dogs" },
        });
        assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), wanted);
        let odd = FilmRequest { size: Some("640x480".parse().unwrap()), ..request.clone() };
        let error = filming::create(Protocol::Gemini, "veo", &odd, &manner, "x").unwrap_err();
        assert!(error.message().contains("640x480") && error.message().contains("720x1280"), "{error}");
        assert!(filming::create(Protocol::Gemini, "../x", &request, &manner, "x").is_err());
    }

    #[test]
    fn files_are_fetched_where_the_provider_is_reached() {
        for (uri, wanted) in [
            (
                "https://g/v1beta/files/ab1:download?alt=media",
                Place::Below("files/ab1:download?alt=media".into()),
            ),
            ("https://g/v1beta/files/ab1", Place::Below("files/ab1:download?alt=media".into())),
            ("https://g/v1beta/files/..:download", Place::At("https://g/v1beta/files/..:download".into())),
            ("https://storage/film.mp4", Place::At("https://storage/film.mp4".into())),
        ] {
            assert_eq!(place(uri), wanted);
        }
    }

    #[test]
    fn operations_run_end_fail_and_are_withheld() {
        assert_eq!(state(&json!({ "name": "x" })).unwrap(), FilmState::Running(None));
        assert_eq!(state(&json!({ "name": "x", "done": false })).unwrap(), FilmState::Running(None));
        let done = json!({ "done": true, "response": { "generateVideoResponse": { "generatedSamples": [{ "video": { "uri": "https://h/f.mp4" } }] } } });
        assert_eq!(state(&done).unwrap(), FilmState::Done(Place::At("https://h/f.mp4".into()), None));
        let failed = state(&json!({ "done": true, "error": { "code": 13, "message": "internal" } })).unwrap();
        assert_eq!(failed, FilmState::Failed { code: "13".into(), message: "internal".into() });
        let withheld = json!({ "done": true, "response": { "generateVideoResponse": { "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["a face"] } } });
        assert_eq!(
            state(&withheld).unwrap(),
            FilmState::Failed { code: "filtered".into(), message: "a face".into() }
        );
        for wrong in [json!([]), json!({ "done": true }), json!({ "done": true, "response": {} })] {
            assert!(state(&wrong).is_err(), "{wrong}");
        }
    }
}
