//! Runway's films: `POST /v1/text_to_video`, `POST /v1/image_to_video`, and the tasks that both begin.
//! Reference: <https://docs.dev.runwayml.com/api/> and its package runwayml, version 5.13.0.

use crate::filming::{FilmCall, FilmState, Place, Shot, failed, shortened, wrong};
use crate::imagining::base64;
use crate::media::data_url;
use parasol_core::{FilmRequest, Result};
use serde_json::{Value, json};

/// The version of its API that is spoken, for the header that it wants with every request.
pub const VERSION: &str = "2024-11-06";

/// The request that begins a film.
pub(crate) fn create(model: &str, request: &FilmRequest, shot: Shot) -> FilmCall {
    let mut body = json!({
        "model": model,
        "promptText": request.prompt,
        "ratio": format!("{}:{}", shot.size.width, shot.size.height),
        "duration": shot.seconds,
    });
    if let Some(seed) = request.seed {
        body["seed"] = seed.into();
    }
    if let Some(text) = &request.negative_prompt {
        body["negativePrompt"] = text.as_str().into();
    }
    let path = match &request.first_frame {
        None => "text_to_video",
        Some(frame) => {
            body["promptImage"] =
                json!([{ "uri": data_url(frame.media_type(), &base64(&frame.bytes)), "position": "first" }]);
            "image_to_video"
        }
    };
    FilmCall::json(path, &body)
}

/// How a task does.
pub(crate) fn state(body: &Value) -> Result<FilmState> {
    match body["status"].as_str().unwrap_or_default() {
        "PENDING" | "THROTTLED" => Ok(FilmState::Queued),
        "RUNNING" => {
            let part = body["progress"].as_f64().filter(|part| (0.0..=1.0).contains(part));
            // Between 0 and 100.
            Ok(FilmState::Running(part.map(|part| (part * 100.0) as u8)))
        }
        "SUCCEEDED" => {
            let first = body["output"][0].as_str();
            let first = first.ok_or_else(|| wrong("says that it is made and not where it lies"))?;
            Ok(FilmState::Done(Place::At(first.to_owned()), None))
        }
        "FAILED" => Ok(failed(body["failureCode"].as_str(), body["failure"].as_str())),
        "CANCELLED" => Ok(FilmState::Cancelled),
        other => Err(wrong(&format!("has the status {:?}, which its protocol does not", shortened(other)))),
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
    fn a_film_is_asked_for_by_text_or_by_picture() {
        let films = FilmManner { seed: true, negative_prompt: true, seconds: 5, ..FilmManner::default() };
        let manner = Manner { films, ..Manner::standard() };
        let mut request = FilmRequest { prompt: "A cat.".into(), seed: Some(7), ..FilmRequest::default() };
        let call = filming::create(Protocol::Runway, "gen4.5", &request, &manner, "x").unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let wanted = json!({ "model": "gen4.5", "promptText": "A cat.", "ratio": "1280:720", "duration": 5, "seed": 7 });
        assert_eq!((call.path.as_str(), body), ("text_to_video", wanted));
        request.first_frame = Some(FirstFrame { bytes: b"\x89PNG\r\n\x1a\n".to_vec() });
        request.negative_prompt = Some("dogs".into());
        request.size = Some("720x1280".parse().unwrap());
        let call = filming::create(Protocol::Runway, "veo3.1", &request, &manner, "x").unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(
            (call.path.as_str(), &body["ratio"], &body["negativePrompt"]),
            ("image_to_video", &json!("720:1280"), &json!("dogs"))
        );
        assert_eq!(
            body["promptImage"],
            json!([{ "uri": "data:image/png;base64,iVBORw0KGgo=", "position": "first" }])
        );
    }

    #[test]
    fn every_status_is_read_and_no_other() {
        let of = |body: Value| state(&body);
        assert_eq!(of(json!({ "status": "PENDING" })).unwrap(), FilmState::Queued);
        assert_eq!(of(json!({ "status": "THROTTLED" })).unwrap(), FilmState::Queued);
        assert_eq!(
            of(json!({ "status": "RUNNING", "progress": 0.42 })).unwrap(),
            FilmState::Running(Some(42))
        );
        for odd in [json!(-1), json!(7.5), json!("x"), Value::Null] {
            assert_eq!(
                of(json!({ "status": "RUNNING", "progress": odd })).unwrap(),
                FilmState::Running(None)
            );
        }
        assert_eq!(of(json!({ "status": "CANCELLED" })).unwrap(), FilmState::Cancelled);
        let failed =
            of(json!({ "status": "FAILED", "failure": "no", "failureCode": "SAFETY.INPUT.TEXT" })).unwrap();
        assert_eq!(failed, FilmState::Failed { code: "SAFETY.INPUT.TEXT".into(), message: "no".into() });
        for wrong in [
            json!({}),
            json!({ "status": "DONE" }),
            json!({ "status": "SUCCEEDED" }),
            json!({ "status": "SUCCEEDED", "output": [] }),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
