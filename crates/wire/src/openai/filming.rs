//! Asking a provider that speaks OpenAI's protocol for a film: `POST /v1/videos` and the job that it begins.
//! Reference: <https://developers.openai.com/api/reference/resources/videos> and its package openai, version 3.57.0.

use crate::filming::{FilmCall, FilmState, Place, Shot, failed, segment, shortened, wrong};
use crate::multipart::Multipart;
use parasol_core::{FilmRequest, Result};
use serde_json::{Value, json};

/// The request that begins a film: a form, as the official clients send it with and without a picture.
pub(crate) fn create(model: &str, request: &FilmRequest, shot: Shot, boundary: &str) -> FilmCall {
    let mut form = Multipart::new(boundary);
    form.field("model", model);
    form.field("prompt", &request.prompt);
    form.field("seconds", &shot.seconds.to_string());
    form.field("size", &shot.size.to_string());
    // Only servers that extend the protocol get here with these.
    if let Some(text) = &request.negative_prompt {
        form.field("negative_prompt", text);
    }
    if let Some(seed) = request.seed {
        form.field("seed", &seed.to_string());
    }
    if let Some(frame) = &request.first_frame {
        // A request is checked before it is written: a frame that is none does not come here.
        let kind = frame.media_type().unwrap_or("application/octet-stream");
        let ending = kind.rsplit('/').next().unwrap_or_default();
        form.file("input_reference", &format!("frame.{ending}"), kind, &frame.bytes);
    }
    let (content_type, body) = form.finish();
    FilmCall { path: "videos".to_owned(), content_type, body }
}

/// The request that makes another film of one that is done.
pub(crate) fn remix(id: &str, prompt: &str) -> Result<FilmCall> {
    Ok(FilmCall::json(format!("videos/{}/remix", segment(id)?), &json!({ "prompt": prompt })))
}

/// How a job does. Servers that imitate the protocol have some words of their own.
pub(crate) fn state(id: &str, body: &Value) -> Result<FilmState> {
    match body["status"].as_str().unwrap_or_default() {
        "queued" | "pending" => Ok(FilmState::Queued),
        "in_progress" | "processing" | "running" => {
            let percent = body["progress"].as_f64().filter(|percent| (0.0..=100.0).contains(percent));
            // Between 0 and 100.
            Ok(FilmState::Running(percent.map(|percent| percent as u8)))
        }
        "completed" | "succeeded" => {
            let seconds = &body["seconds"];
            let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok());
            let seconds = seconds.filter(|n| (1.0..=3600.0).contains(n)).map(|n| n.ceil() as u32);
            Ok(FilmState::Done(Place::Below(format!("videos/{}/content", segment(id)?)), seconds))
        }
        "failed" | "expired" => Ok(failed(body["error"]["code"].as_str(), body["error"]["message"].as_str())),
        "cancelled" | "canceled" => Ok(FilmState::Cancelled),
        other => Err(wrong(&format!("has the status {:?}, which its protocol does not", shortened(other)))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::client::{Manner, Protocol};
    use crate::filming;
    use parasol_core::FirstFrame;

    #[test]
    fn a_film_is_asked_for_by_a_form_that_names_everything() {
        let request = FilmRequest {
            prompt: "A cat.\r\n--x--".into(),
            first_frame: Some(FirstFrame { bytes: b"\x89PNG\r\n\x1a\n".to_vec() }),
            ..FilmRequest::default()
        };
        let call = filming::create(Protocol::OpenAi, "sora-2", &request, &Manner::standard(), "XYZ").unwrap();
        assert_eq!(
            (call.path.as_str(), call.content_type.as_str()),
            ("videos", "multipart/form-data; boundary=XYZ")
        );
        let text = String::from_utf8_lossy(&call.body);
        for part in [
            "name=\"model\"\r\n\r\nsora-2\r\n",
            "name=\"prompt\"\r\n\r\nA cat.\r\n--x--\r\n",
            "name=\"seconds\"\r\n\r\n4\r\n",
            "name=\"size\"\r\n\r\n1280x720\r\n",
            "name=\"input_reference\"; filename=\"frame.png\"\r\nContent-Type: image/png\r\n\r\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(call.body.ends_with(b"\x89PNG\r\n\x1a\n\r\n--XYZ--\r\n"));
        assert!(!text.contains("seed"));
        // A Parasol behind this one takes more.
        let more = FilmRequest { seed: Some(7), negative_prompt: Some("dogs".into()), ..request };
        let call = filming::create(Protocol::OpenAi, "m", &more, &Manner::default(), "XYZ").unwrap();
        let text = String::from_utf8_lossy(&call.body);
        assert!(
            text.contains("\"seed\"\r\n\r\n7\r\n") && text.contains("\"negative_prompt\"\r\n\r\ndogs\r\n"),
            "{text}"
        );
        let call = filming::remix(Protocol::OpenAi, "video/1", "Again.").unwrap();
        assert_eq!(
            (call.path.as_str(), call.body.as_slice()),
            ("videos/video%2F1/remix", &br#"{"prompt":"Again."}"#[..])
        );
    }

    #[test]
    fn every_status_is_read_and_no_other() {
        let of = |body: Value| state("v1", &body);
        assert_eq!(of(json!({ "status": "queued", "progress": 0 })).unwrap(), FilmState::Queued);
        assert_eq!(
            of(json!({ "status": "in_progress", "progress": 33 })).unwrap(),
            FilmState::Running(Some(33))
        );
        assert_eq!(
            of(json!({ "status": "in_progress", "progress": 1e9 })).unwrap(),
            FilmState::Running(None)
        );
        let done = |seconds| FilmState::Done(Place::Below("videos/v1/content".into()), seconds);
        assert_eq!(of(json!({ "status": "completed", "seconds": "8" })).unwrap(), done(Some(8)));
        for odd in [json!("x"), json!(-1), json!(1e12), Value::Null] {
            assert_eq!(of(json!({ "status": "completed", "seconds": odd })).unwrap(), done(None));
        }
        let failed =
            of(json!({ "status": "failed", "error": { "code": "moderation_blocked", "message": "no" } }))
                .unwrap();
        assert_eq!(failed, FilmState::Failed { code: "moderation_blocked".into(), message: "no".into() });
        let mute = of(json!({ "status": "failed", "error": null })).unwrap();
        assert!(matches!(mute, FilmState::Failed { code, .. } if code == "failed"));
        for wrong in [json!({}), json!({ "status": 7 }), json!({ "status": "done" }), json!([])] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
