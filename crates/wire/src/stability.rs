//! Stability's pictures: a form out, the file of a picture back, with what is told about it in headers; or both in JSON.
//! Reference: <https://platform.stability.ai/docs/api-reference>, version 2 (`v2beta/stable-image`).

use crate::client::Manner;
use crate::imagining::{
    Answer, Drawn, Made, Outgoing, Part, Received, Source, Take, picture, seed, unpacked, withheld, wrong,
};
use crate::multipart::Multipart;
use parasol_core::{Error, ErrorKind, ImagineUsage, Result};
use serde_json::Value;

/// The largest seed; 0 draws one.
const LARGEST_SEED: u64 = 4_294_967_294;

/// The name under which a part of a picture is filled in.
const INPAINT: &str = "stable-image-inpaint";

/// The request for one picture.
pub(crate) fn request(model: &str, part: Part<'_>, manner: &Manner, boundary: &str) -> Result<Outgoing> {
    let request = part.request;
    let (path, named) = endpoint(model);
    let mut form = Multipart::new(boundary);
    form.field("prompt", &request.prompt);
    if let Some(text) = &request.negative_prompt {
        form.field("negative_prompt", text);
    }
    if named {
        form.field("model", model);
    }
    // A picture says which shape the result has.
    let from_picture = !request.pictures.is_empty();
    match request.size {
        Some(_) if from_picture => {
            let message = "size: the result has that of the picture that it is made from; leave it out";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Some(size) => form.field("aspect_ratio", &manner.shape(size).to_string()),
        None => {}
    }
    if let Some(seed) = seed(request, part.index, LARGEST_SEED)? {
        form.field("seed", &seed.to_string());
    }
    if let Some(format) = request.format.filter(|_| manner.draws_with(Take::OutputFormat)) {
        form.field("output_format", format.name());
    }
    if let Some(guidance) = request.guidance {
        form.field("cfg_scale", &guidance.to_string());
    }
    if let Some(it) = request.pictures.first() {
        form.file("image", &format!("picture.{}", it.format.name()), it.format.media_type(), &it.bytes);
        if named {
            form.field("mode", "image-to-image");
        }
        if model != INPAINT {
            // They want it told.
            form.field("strength", &request.strength.unwrap_or(0.7).to_string());
        }
    }
    if let Some(mask) = &request.mask {
        form.file("mask", &format!("mask.{}", mask.format.name()), mask.format.media_type(), &mask.bytes);
    }
    let (content_type, body) = form.finish();
    let ignored = Vec::new();
    Ok(Outgoing { path: path.into(), content_type, body, accept: "image/*", answer: Answer::Whole, ignored })
}

/// Where a model is asked, and whether it is named there.
fn endpoint(model: &str) -> (&'static str, bool) {
    match model {
        "stable-image-core" => ("stable-image/generate/core", false),
        "stable-image-ultra" => ("stable-image/generate/ultra", false),
        INPAINT => ("stable-image/edit/inpaint", false),
        _ => ("stable-image/generate/sd3", true),
    }
}

/// Reads an answer, in either of its forms.
pub(crate) fn read(received: &Received<'_>) -> Result<Drawn> {
    let usage = ImagineUsage::default();
    if received.kind.starts_with("application/json") {
        let whole: Value =
            serde_json::from_slice(received.body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
        finished(whole["finish_reason"].as_str())?;
        let data = whole["image"].as_str().ok_or_else(|| wrong("holds no picture"))?;
        let made = Made { seed: whole["seed"].as_u64(), ..Made::plain(Source::Here(unpacked(data)?)) };
        return Ok(Drawn { pictures: vec![made], usage });
    }
    let header = received.header;
    finished(header("finish-reason").as_deref())?;
    let seed = header("seed").and_then(|seed| seed.trim().parse().ok());
    let made = Made { seed, ..Made::plain(Source::Here(picture(received.body.to_vec())?)) };
    Ok(Drawn { pictures: vec![made], usage })
}

/// What came is the picture, unless it was filtered: then it is blurred.
fn finished(reason: Option<&str>) -> Result<()> {
    match reason {
        None | Some("SUCCESS") => Ok(()),
        Some(other) => Err(withheld(other)),
    }
}

/// What is said in a refusal: a name, and a list of what is wrong.
pub(crate) fn error(status: u16, body: &[u8], retry_after: Option<u64>) -> Error {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    if told["name"] == "content_moderation" {
        return withheld("content_moderation");
    }
    let list: Vec<&str> = told["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let said = match list.is_empty() {
        true => told["message"].as_str().or(told["name"].as_str()).unwrap_or_default().to_owned(),
        false => list.join("; "),
    };
    let kind = crate::openai::client::error(status, body, retry_after);
    if said.is_empty() {
        return kind;
    }
    // Credits that are used up are no fault of the request.
    let kind = if status == 402 { ErrorKind::Denied } else { kind.kind().clone() };
    Error::new(kind, said.chars().take(2000).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::imagining::{Drawing, SizeForm};
    use parasol_core::{ImagineRequest, Picture, PictureFormat};

    fn manner() -> Manner {
        let sizes = ["1:1", "16:9"].map(|size| size.parse().unwrap()).to_vec();
        Manner {
            drawing: Drawing { form: SizeForm::Ratio, sizes, ..Drawing::default() },
            ..Manner::default()
        }
    }

    fn written(model: &str, request_: &ImagineRequest) -> Result<(String, String)> {
        let it = request(model, Part { request: request_, index: 0, count: 1 }, &manner(), "XYZ")?;
        assert_eq!((it.content_type.as_str(), it.accept), ("multipart/form-data; boundary=XYZ", "image/*"));
        Ok((it.path, String::from_utf8_lossy(&it.body).into_owned()))
    }

    fn field(name: &str, value: &str) -> String {
        format!("name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn each_model_has_its_endpoint_and_each_wish_its_field() {
        let request_ = ImagineRequest {
            prompt: "A lighthouse".into(),
            negative_prompt: Some("people".into()),
            size: "1920x1080".parse().ok(),
            seed: Some(7),
            format: Some(PictureFormat::Webp),
            ..ImagineRequest::default()
        };
        let (path, body) = written("stable-image-core", &request_).unwrap();
        assert_eq!(path, "stable-image/generate/core");
        for (name, value) in [
            ("prompt", "A lighthouse"),
            ("negative_prompt", "people"),
            ("aspect_ratio", "16:9"),
            ("seed", "7"),
            ("output_format", "webp"),
        ] {
            assert!(body.contains(&field(name, value)), "{name}: {body}");
        }
        assert!(!body.contains("name=\"model\""), "{body}");
        assert_eq!(written("stable-image-ultra", &request_).unwrap().0, "stable-image/generate/ultra");
        let (path, body) = written("sd3.5-large", &request_).unwrap();
        assert!(path.ends_with("/sd3") && body.contains(&field("model", "sd3.5-large")), "{body}");
        let far = ImagineRequest { seed: Some(1 << 33), ..request_.clone() };
        assert!(written("sd3.5-large", &far).unwrap_err().message().starts_with("seed: "));
        // From a picture.
        let gif = Picture::new(b"GIF89a".to_vec()).unwrap();
        let from =
            ImagineRequest { size: None, pictures: vec![gif.clone()], strength: Some(0.5), ..request_ };
        let (_, body) = written("sd3.5-large", &from).unwrap();
        assert!(body.contains(&field("mode", "image-to-image")) && body.contains(&field("strength", "0.5")));
        assert!(
            body.contains("filename=\"picture.gif\"\r\nContent-Type: image/gif\r\n\r\nGIF89a\r\n"),
            "{body}"
        );
        let sized = ImagineRequest { size: "1:1".parse().ok(), ..from.clone() };
        assert!(written("sd3.5-large", &sized).unwrap_err().message().starts_with("size: "));
        let masked = ImagineRequest { mask: Some(gif), strength: None, ..from };
        let (path, body) = written("stable-image-inpaint", &masked).unwrap();
        assert!(path.ends_with("edit/inpaint") && body.contains("name=\"mask\""), "{body}");
        assert!(!body.contains("name=\"strength\"") && !body.contains("name=\"mode\""), "{body}");
    }

    #[test]
    fn pictures_come_as_they_are_or_in_json() {
        let told = |name: &str| match name {
            "seed" => Some("42".to_owned()),
            "finish-reason" => Some("SUCCESS".to_owned()),
            _ => None,
        };
        let it = read(&Received { kind: "image/gif", header: &told, body: b"GIF89a" }).unwrap();
        assert_eq!(it.pictures[0].seed, Some(42));
        let nothing = |_: &str| None;
        let json = |body: &'static str| {
            read(&Received { kind: "application/json", header: &nothing, body: body.as_bytes() })
        };
        let it = json(r#"{"image":"R0lGODlh","finish_reason":"SUCCESS","seed":43}"#).unwrap();
        assert_eq!(it.pictures[0].seed, Some(43));
        let filtered = |_: &str| Some("CONTENT_FILTERED".to_owned());
        for error in [
            read(&Received { kind: "image/png", header: &filtered, body: b"GIF89a" }),
            json(r#"{"image":"R0lGODlh","finish_reason":"CONTENT_FILTERED"}"#),
        ] {
            let error = error.unwrap_err();
            assert!(
                *error.kind() == ErrorKind::InvalidRequest && error.message().contains("CONTENT_FILTERED")
            );
        }
        for error in [
            read(&Received { kind: "text/html", header: &nothing, body: b"<html>" }),
            json("{}"),
            json("["),
            json(r#"{"image":"PGh0bWw+"}"#),
        ] {
            assert_eq!(*error.unwrap_err().kind(), ErrorKind::Network);
        }
    }

    #[test]
    fn refusals_are_read() {
        let of = |status, body: &str| error(status, body.as_bytes(), None);
        let it = of(403, r#"{"id":"x","name":"content_moderation","errors":["Your request was flagged."]}"#);
        assert_eq!(*it.kind(), ErrorKind::InvalidRequest);
        let it = of(400, r#"{"id":"x","name":"bad_request","errors":["seed: too large","prompt: missing"]}"#);
        assert_eq!(
            (it.kind(), it.message()),
            (&ErrorKind::InvalidRequest, "seed: too large; prompt: missing")
        );
        assert_eq!(
            *of(402, r#"{"name":"payment_required","errors":["No credits."]}"#).kind(),
            ErrorKind::Denied
        );
        assert_eq!(*of(401, r#"{"name":"unauthorized","errors":["no"]}"#).kind(), ErrorKind::Denied);
        assert!(matches!(of(429, "").kind(), ErrorKind::RateLimited { .. }));
        assert!(of(500, "<html>").message().contains("500"));
    }
}
