//! `POST /v1/images/generations` and `POST /v1/images/edits`: requests, answers and the events of a stream, on the server's side. Calling a
//! provider that speaks so is `drawing.rs`.
//! Reference: <https://platform.openai.com/docs/api-reference/images>.

use crate::fields::{Fields, Spelling, invalid};
use crate::imagining::base64;
use crate::sse::SseEvent;
use parasol_core::{ImagineRequest, ImagineUsage, Imagined, Picture, PictureFormat, PictureSize, Result};
use serde_json::{Map, Value, json};

/// Fields of a form that are whole numbers …
const COUNTS: [&str; 6] =
    ["n", "output_compression", "partial_images", "seed", "steps", "num_inference_steps"];
/// … and other numbers.
const NUMBERS: [&str; 2] = ["guidance_scale", "strength"];

/// Pictures as they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagesCall {
    /// The model.
    pub model: String,
    /// What it is asked.
    pub request: ImagineRequest,
    /// Whether the answer comes as events.
    pub stream: bool,
    /// Fields that change nothing.
    pub noted: Vec<String>,
    edit: bool,
}

impl ImagesCall {
    /// Reads a request for new pictures.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        Self::read_as(body, false)
    }

    /// Reads the form of an edit: its fields, and its files by the names of their fields.
    ///
    /// # Errors
    /// As [`Self::read`], and for what is no picture.
    pub fn form(fields: &[(String, String)], files: Vec<(String, Vec<u8>)>) -> Result<Self> {
        let mut body = Map::new();
        for (name, text) in fields {
            if body.insert(name.clone(), value(name, text)?).is_some() {
                return Err(invalid(name, "is there twice: send it once"));
            }
        }
        let mut call = Self::read_as(Value::Object(body), true)?;
        for (name, bytes) in files {
            let size = bytes.len();
            let Some(format) = PictureFormat::of(&bytes) else {
                return Err(invalid(
                    &name,
                    format_args!("is no picture ({size} bytes): send PNG, JPEG, WebP or GIF"),
                ));
            };
            let picture = Picture { bytes, format };
            if name.trim_end_matches("[]") == "mask" {
                if call.request.mask.replace(picture).is_some() {
                    return Err(invalid("mask", "is there twice: send one"));
                }
            } else {
                call.request.pictures.push(picture);
            }
        }
        if call.request.pictures.is_empty() {
            return Err(invalid("image", "is required: send a picture in a field of that name"));
        }
        call.request.check()?;
        Ok(call)
    }

    fn read_as(body: Value, edit: bool) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut noted = Vec::new();
        let model = f.need_string("model")?;
        let mut request = ImagineRequest { prompt: f.need_string("prompt")?, ..ImagineRequest::default() };
        request.count = f.count("n", 1)?.unwrap_or(1);
        request.size = size(&mut f)?;
        let open = |text: Option<String>| text.filter(|text| text != "auto");
        request.quality = open(f.string("quality")?);
        request.background = open(f.string("background")?);
        if let Some(other) =
            request.background.as_deref().filter(|it| !matches!(*it, "transparent" | "opaque"))
        {
            return Err(
                f.wrong("background", format_args!("is {other:?} and must be transparent, opaque or auto"))
            );
        }
        request.moderation = open(f.string("moderation")?);
        if let Some(name) = f.string("output_format")? {
            let format = PictureFormat::from_name(&name);
            request.format = Some(format.ok_or_else(|| {
                f.wrong("output_format", format_args!("is {name:?} and must be png, jpeg, webp or gif"))
            })?);
        }
        let small = |n: Option<usize>| n.map(|n| u8::try_from(n).unwrap_or(u8::MAX));
        request.compression = small(f.count("output_compression", 0)?);
        request.previews = small(f.count("partial_images", 0)?).unwrap_or(0);
        if f.string("response_format")?.is_some_and(|how| how != "b64_json") {
            return Err(
                f.wrong("response_format", "must be b64_json: this server keeps no pictures to be fetched")
            );
        }
        let stream = f.bool("stream")?.unwrap_or(false);
        if request.previews > 0 && !stream {
            return Err(
                f.wrong("partial_images", "come in a stream only: ask for one with stream, or leave it out")
            );
        }
        // Beyond the protocol, as servers of open models name them.
        request.negative_prompt = f.string("negative_prompt")?.filter(|text| !text.is_empty());
        request.seed = f.count("seed", 0)?.map(|seed| seed as u64);
        let steps = f.count("steps", 1)?.or(f.count("num_inference_steps", 1)?);
        request.steps = steps.map(|steps| u32::try_from(steps).unwrap_or(u32::MAX));
        request.guidance = f.number("guidance_scale", 0.0, 100.0)?;
        if edit {
            request.fidelity = f.string("input_fidelity")?;
            request.strength = f.number("strength", 0.0, 1.0)?;
        }
        f.note(&["user", "safety_identifier", "style"], &mut noted);
        f.finish()?;
        if !edit {
            request.check()?;
        }
        Ok(Self { model, request, stream, noted, edit })
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(&self, created: u64, pictures: &[Imagined], usage: &ImagineUsage) -> Value {
        let data = pictures.iter().map(|it| {
            let mut one = json!({ "b64_json": base64(&it.picture.bytes) });
            if let Some(prompt) = &it.revised_prompt {
                one["revised_prompt"] = prompt.as_str().into();
            }
            if let Some(seed) = it.seed {
                one["seed"] = seed.into();
            }
            one
        });
        let mut body = json!({ "created": created, "data": data.collect::<Vec<_>>() });
        if let Some(first) = pictures.first() {
            self.describe(&first.picture, &mut body);
        }
        if usage.input_tokens() > 0 || usage.output_tokens > 0 || usage.cost.is_some() {
            body["usage"] = told(usage);
        }
        body
    }

    /// A picture on the way, as an event.
    #[must_use]
    pub fn preview(&self, created: u64, number: usize, picture: &Picture) -> SseEvent {
        self.event("partial_image", created, picture, json!({ "partial_image_index": number }))
    }

    /// A picture that is done, as an event.
    #[must_use]
    pub fn done(&self, created: u64, it: &Imagined, usage: &ImagineUsage) -> SseEvent {
        let mut more = json!({ "usage": told(usage) });
        if let Some(seed) = it.seed {
            more["seed"] = seed.into();
        }
        self.event("completed", created, &it.picture, more)
    }

    fn event(&self, what: &str, created: u64, picture: &Picture, more: Value) -> SseEvent {
        let kind = format!("{}.{what}", if self.edit { "image_edit" } else { "image_generation" });
        let mut body = json!({ "type": kind, "created_at": created, "b64_json": base64(&picture.bytes),
            "size": "auto", "quality": "auto", "background": "auto" });
        self.describe(picture, &mut body);
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        SseEvent::json(&body).named(kind)
    }

    /// What is known of a picture, and what was asked of it.
    fn describe(&self, picture: &Picture, body: &mut Value) {
        body["output_format"] = picture.format.name().into();
        if let Some((width, height)) = picture.dimensions() {
            body["size"] = format!("{width}x{height}").into();
        }
        for (name, value) in [("quality", &self.request.quality), ("background", &self.request.background)] {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
    }
}

fn size(f: &mut Fields) -> Result<Option<PictureSize>> {
    let Some(text) = f.string("size")?.filter(|text| text != "auto") else { return Ok(None) };
    text.parse().map(Some).map_err(|e: parasol_core::Error| f.wrong("size", e.message()))
}

/// The field of a form as JSON has it.
fn value(name: &str, text: &str) -> Result<Value> {
    let wrong = |what: &str| {
        let shown: String = text.chars().take(40).collect();
        invalid(name, format_args!("is {shown:?} and must be {what}"))
    };
    if COUNTS.contains(&name) {
        return text.trim().parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number"));
    }
    if NUMBERS.contains(&name) {
        // JSON has no others: they would be as if nothing were said.
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        return number.map(Value::from).ok_or_else(|| wrong("a number"));
    }
    match (name, text) {
        ("stream", "true" | "True" | "1") => Ok(true.into()),
        ("stream", "false" | "False" | "0") => Ok(false.into()),
        ("stream", _) => Err(wrong("true or false")),
        _ => Ok(text.into()),
    }
}

fn told(usage: &ImagineUsage) -> Value {
    let (input, output) = (usage.input_tokens(), usage.output_tokens);
    let mut told = json!({
        "input_tokens": input,
        "input_tokens_details": { "text_tokens": usage.text_tokens, "image_tokens": usage.picture_tokens },
        "output_tokens": output,
        "output_tokens_details": {
            "text_tokens": usage.output_text_tokens, "image_tokens": output.saturating_sub(usage.output_text_tokens),
        },
        "total_tokens": input.saturating_add(output),
    });
    if let Some(cost) = usage.cost {
        told["cost"] = cost.as_dollars().into();
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::Money;

    fn fields(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let least = [("model", "m"), ("prompt", "A cat")];
        least.iter().chain(more).map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn gif(name: &str) -> (String, Vec<u8>) {
        (name.into(), b"GIF89a\x03\0\x02\0".to_vec())
    }

    #[test]
    fn requests_are_read_and_refused_by_field() {
        let call = ImagesCall::read(json!({ "model": "m", "prompt": "A cat", "n": 2, "size": "1536x1024",
            "quality": "high", "background": "auto", "output_format": "jpeg", "output_compression": 80, "stream": true,
            "partial_images": 2, "negative_prompt": "dogs", "seed": 7, "steps": 20, "guidance_scale": 7.5, "user": "u" }))
        .unwrap();
        let it = &call.request;
        assert_eq!((it.count, it.size.unwrap().to_string().as_str(), it.previews), (2, "1536x1024", 2));
        assert_eq!((it.quality.as_deref(), it.background.as_deref(), it.seed), (Some("high"), None, Some(7)));
        assert_eq!((it.steps, it.guidance, it.format), (Some(20), Some(7.5), Some(PictureFormat::Jpeg)));
        assert_eq!((call.stream, call.noted), (true, vec!["user".to_owned()]));
        for (more, part) in [
            (json!({ "prompt": " " }), "prompt: is empty"),
            (json!({ "n": 11 }), "n: is 11"),
            (json!({ "size": "large" }), "size: \"large\""),
            (json!({ "response_format": "url" }), "response_format: must be b64_json"),
            (json!({ "partial_images": 1 }), "partial_images: come in a stream only"),
            (json!({ "partial_images": 300, "stream": true }), "partial_images: is 255"),
            (json!({ "output_format": "svg" }), "output_format: is \"svg\""),
            (json!({ "background": "green" }), "background: is \"green\""),
            (json!({ "complexity": "high" }), "complexity"),
            (json!({ "strength": 0.5 }), "strength"),
            (json!({ "model": null }), "model: is required"),
        ] {
            let mut body = json!({ "model": "m", "prompt": "A cat" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = ImagesCall::read(body).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn forms_are_read_with_their_pictures() {
        let more = [("n", "2"), ("stream", "true"), ("input_fidelity", "high"), ("strength", "0.5")];
        let files = vec![gif("image[]"), gif("image[]"), gif("mask")];
        let call = ImagesCall::form(&fields(&more), files).unwrap();
        assert_eq!((call.request.pictures.len(), call.request.count, call.stream), (2, 2, true));
        assert!(call.request.mask.is_some() && call.request.strength == Some(0.5));
        for (fields, files, part) in [
            (fields(&[]), vec![], "image: is required"),
            (fields(&[]), vec![("image".into(), b"<html>".to_vec())], "image: is no picture (6 bytes)"),
            (fields(&[("n", "two")]), vec![gif("image")], "n: is \"two\""),
            (fields(&[("stream", "maybe")]), vec![gif("image")], "stream: is \"maybe\""),
            (fields(&[("model", "n")]), vec![gif("image")], "model: is there twice"),
            (fields(&[("strength", "1.5")]), vec![gif("image")], "strength: is 1.5"),
            (fields(&[("strength", "NaN")]), vec![gif("image")], "strength: is \"NaN\""),
            (fields(&[]), vec![gif("mask"), gif("mask")], "mask: is there twice"),
            (fields(&[]), vec![gif("image"); 17], "image: is 17"),
        ] {
            let error = ImagesCall::form(&fields, files).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn answers_and_events_tell_what_is_known() {
        let call = ImagesCall::form(&fields(&[("quality", "high")]), vec![gif("image")]).unwrap();
        let picture = Picture::new(gif("").1).unwrap();
        let made = Imagined { index: 0, picture, seed: Some(7), revised_prompt: Some("A grey cat".into()) };
        let usage = ImagineUsage {
            images: 1,
            text_tokens: 5,
            output_tokens: 100,
            cost: Some(Money(20_000_000)),
            ..ImagineUsage::default()
        };
        let body = call.answer(1, std::slice::from_ref(&made), &usage);
        assert_eq!(
            (&body["size"], &body["quality"], &body["output_format"]),
            (&json!("3x2"), &json!("high"), &json!("gif"))
        );
        assert_eq!(
            body["data"][0],
            json!({ "b64_json": "R0lGODlhAwACAA==", "revised_prompt": "A grey cat", "seed": 7 })
        );
        assert_eq!((&body["usage"]["total_tokens"], &body["usage"]["cost"]), (&json!(105), &json!(0.02)));
        assert!(call.answer(1, std::slice::from_ref(&made), &ImagineUsage::default())["usage"].is_null());
        let event = call.done(1, &made, &usage).encode();
        assert!(
            event.starts_with("event: image_edit.completed\n") && event.contains("\"total_tokens\":105"),
            "{event}"
        );
        let event = call.preview(1, 2, &made.picture).encode();
        assert!(
            event.contains("image_edit.partial_image") && event.contains("\"partial_image_index\":2"),
            "{event}"
        );
    }
}
