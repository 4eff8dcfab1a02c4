//! Requests in the three forms of the protocol, and answers of each.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::imagining::Drawing;
use parasol_core::{ImagineRequest, PictureFormat};
use serde_json::json;

const GIF: &str = "R0lGODlh";

fn gif() -> Picture {
    Picture::new(b"GIF89a".to_vec()).unwrap()
}

fn asked() -> ImagineRequest {
    ImagineRequest { prompt: "A cat".into(), ..ImagineRequest::default() }
}

fn written(request_: &ImagineRequest, count: usize, manner: &Manner) -> (Outgoing, Value) {
    let it = request("m", Part { request: request_, index: 0, count }, manner, "XYZ").unwrap();
    let body = serde_json::from_slice(&it.body).unwrap_or_default();
    (it, body)
}

fn manner(form: SizeForm) -> Manner {
    Manner { drawing: Drawing { form, ..Drawing::default() }, ..Manner::standard() }
}

#[test]
fn openai_is_told_what_it_knows() {
    let request_ = ImagineRequest {
        size: "1536x1024".parse().ok(),
        quality: Some("high".into()),
        background: Some("transparent".into()),
        moderation: Some("low".into()),
        format: Some(PictureFormat::Webp),
        compression: Some(80),
        ..asked()
    };
    let (it, body) = written(&request_, 2, &Manner::standard());
    let wanted = json!({ "model": "m", "prompt": "A cat", "n": 2, "size": "1536x1024", "quality": "high",
        "background": "transparent", "moderation": "low", "output_format": "webp", "output_compression": 80 });
    assert_eq!((it.path.as_str(), it.answer, body), ("images/generations", Answer::Whole, wanted));
    let more = ImagineRequest {
        seed: Some(7),
        steps: Some(20),
        guidance: Some(7.5),
        negative_prompt: Some("dogs".into()),
        ..asked()
    };
    let (_, body) = written(&more, 1, &Manner::default());
    let wanted = json!({ "model": "m", "prompt": "A cat", "n": 1, "response_format": "b64_json",
        "negative_prompt": "dogs", "seed": 7, "steps": 20, "guidance_scale": 7.5 });
    assert_eq!(body, wanted);
}

#[test]
fn pictures_make_it_an_edit_with_files() {
    let one = ImagineRequest { pictures: vec![gif()], mask: Some(gif()), previews: 2, ..asked() };
    let (it, _) = written(&one, 1, &Manner::standard());
    assert_eq!(
        (it.path.as_str(), it.answer, it.accept),
        ("images/edits", Answer::Events, "text/event-stream")
    );
    let body = String::from_utf8_lossy(&it.body);
    for part in [
        "name=\"image\"; filename=\"picture0.gif\"\r\nContent-Type: image/gif\r\n\r\nGIF89a\r\n",
        "name=\"mask\"; filename=\"mask.gif\"",
        "name=\"stream\"\r\n\r\ntrue\r\n",
        "name=\"partial_images\"\r\n\r\n2\r\n",
        "name=\"prompt\"\r\n\r\nA cat\r\n",
    ] {
        assert!(body.contains(part), "{body}");
    }
    let two = ImagineRequest { pictures: vec![gif(), gif()], ..asked() };
    let (it, _) = written(&two, 1, &Manner::standard());
    assert!(String::from_utf8_lossy(&it.body).contains("name=\"image[]\"; filename=\"picture1.gif\""));
}

#[test]
fn shapes_and_pixels_are_forms_of_their_own() {
    let request_ = ImagineRequest { size: "1536x1024".parse().ok(), ..asked() };
    let drawing = Drawing {
        form: SizeForm::Ratio,
        sizes: vec!["3:2".parse().unwrap()],
        takes: Some(vec![Take::Size, Take::Resolution]),
        ..Drawing::default()
    };
    let ratio = Manner { drawing, ..Manner::standard() };
    let (_, body) = written(&request_, 2, &ratio);
    let wanted = json!({ "model": "m", "prompt": "A cat", "n": 2, "aspect_ratio": "3:2", "resolution": "1k",
        "response_format": "b64_json" });
    assert_eq!(body, wanted);
    let of = |pictures: usize, form| {
        let (it, body) =
            written(&ImagineRequest { pictures: vec![gif(); pictures], ..asked() }, 1, &manner(form));
        (it.path, body)
    };
    let url = format!("data:image/gif;base64,{GIF}");
    let (path, body) = of(1, SizeForm::Ratio);
    assert_eq!(
        (path.as_str(), &body["image"]),
        ("images/edits", &json!({ "type": "image_url", "url": url }))
    );
    assert_eq!(of(2, SizeForm::Ratio).1["images"].as_array().unwrap().len(), 2);
    let (_, body) = written(&request_, 1, &manner(SizeForm::Pixels));
    let wanted = json!({ "model": "m", "prompt": "A cat", "width": 1536, "height": 1024, "response_format": "base64" });
    assert_eq!(body, wanted);
    let (path, body) = of(1, SizeForm::Pixels);
    assert_eq!((path.as_str(), &body["image_url"]), ("images/generations", &json!(url)));
    assert_eq!(of(2, SizeForm::Pixels).1["reference_images"], json!([url, url]));
}

#[test]
fn answers_are_read_in_each_form() {
    let read = |body: Value| super::read(body.to_string().as_bytes());
    let it = read(json!({ "created": 1, "data": [{ "b64_json": GIF, "revised_prompt": "A grey cat" }],
        "usage": { "input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210,
            "input_tokens_details": { "text_tokens": 10, "image_tokens": 40 } } }))
    .unwrap();
    assert_eq!(it.pictures[0].revised_prompt.as_deref(), Some("A grey cat"));
    assert_eq!((it.usage.text_tokens, it.usage.picture_tokens, it.usage.output_tokens), (10, 40, 4160));
    let it = read(
        json!({ "data": [{ "url": "https://h/a.png" }, { "url": format!("data:image/gif;base64,{GIF}") }],
        "usage": { "cost_in_usd_ticks": 200_000_000 } }),
    )
    .unwrap();
    assert_eq!(it.pictures[0].source, Source::Address("https://h/a.png".into()));
    assert_eq!(it.pictures[1].source, Source::Here(gif()));
    assert_eq!(it.usage.cost, Some(Money::dollars(0.02)));
    for (body, kind, part) in [
        (json!({ "data": [{ "b64_json": "****" }] }), ErrorKind::Network, "no base64"),
        (json!({ "data": [{ "b64_json": "PGh0bWw+" }] }), ErrorKind::Network, "no picture"),
        (json!({ "data": [{}] }), ErrorKind::Network, "without b64_json and url"),
        (json!({ "data": {} }), ErrorKind::Network, "no list"),
        (json!({ "error": { "message": "overloaded" } }), ErrorKind::Network, "overloaded"),
        (
            json!({ "data": [{ "url": "", "respect_moderation": false }] }),
            ErrorKind::InvalidRequest,
            "withheld",
        ),
    ] {
        let error = read(body).unwrap_err();
        assert!(*error.kind() == kind && error.message().contains(part), "{error}");
    }
    assert!(super::read(b"<html>").is_err());
}

#[test]
fn streams_are_read_however_they_are_cut() {
    let usage = json!({ "input_tokens": 5, "output_tokens": 100, "total_tokens": 105,
        "input_tokens_details": { "text_tokens": 5, "image_tokens": 0 } });
    let stream = format!(
        "event: image_generation.partial_image\ndata: {}\n\ndata: {}\n\n",
        json!({ "type": "image_generation.partial_image", "b64_json": GIF, "partial_image_index": 1 }),
        json!({ "type": "image_edit.completed", "b64_json": GIF, "usage": usage }),
    );
    let read = |size: usize| {
        let (mut events, mut out) = (Events::default(), Vec::new());
        for piece in stream.as_bytes().chunks(size) {
            out.extend(events.push(piece).unwrap());
        }
        out.extend(events.finish().unwrap());
        assert!(events.is_done());
        out
    };
    let whole = read(usize::MAX);
    assert_eq!(whole, read(1));
    let [Event::Preview(1, _), Event::Done(made, told)] = &whole[..] else { panic!("{whole:?}") };
    assert_eq!((&made.source, told.text_tokens, told.output_tokens), (&Source::Here(gif()), 5, 100));
    let fails = |stream: &str| {
        let mut events = Events::default();
        events.push(stream.as_bytes()).and_then(|_| events.finish()).unwrap_err()
    };
    assert!(fails("").message().contains("broke off"));
    assert!(fails("data: {}\n\n").message().contains("broke off"));
    assert!(fails("data: <\n\n").message().contains("no JSON"));
    // What was complete before it broke is told first.
    let mut events = Events::default();
    let both = format!("{}data: <\n\n", stream.split_inclusive("\n\n").next().unwrap());
    assert_eq!(events.push(both.as_bytes()).unwrap().len(), 1);
    assert!(events.take_error().unwrap().message().contains("no JSON"));
    let blocked = r#"{"type":"error","error":{"code":"moderation_blocked","type":"image_generation_user_error","message":"Not that."}}"#;
    let error = fails(&format!("event: error\ndata: {blocked}\n\n"));
    assert_eq!((error.kind(), error.message()), (&ErrorKind::InvalidRequest, "Not that."));
    let error = fails("data: {\"error\":{\"message\":\"busy\"}}\n\n");
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Network, "busy"));
}
