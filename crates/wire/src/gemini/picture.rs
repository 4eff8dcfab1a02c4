//! Pictures by `generateContent`, from models that answer with them.
//! Reference: <https://ai.google.dev/gemini-api/docs/image-generation>.

use crate::client::{Manner, gemini_name, told_count};
use crate::imagining::{
    Answer, Drawn, Made, Outgoing, Part, Source, Take, base64, json, seed, unpacked, withheld, wrong,
};
use parasol_core::{ImagineUsage, PictureSize, Result};
use serde_json::{Value, json};

/// The request for one picture.
pub(crate) fn request(model: &str, part: Part<'_>, manner: &Manner) -> Result<Outgoing> {
    let request = part.request;
    let mut parts = vec![json!({ "text": request.prompt })];
    parts.extend(request.pictures.iter().map(|picture| {
        json!({ "inlineData": { "mimeType": picture.format.media_type(), "data": base64(&picture.bytes) } })
    }));
    let mut config = json!({ "responseModalities": ["TEXT", "IMAGE"] });
    if let Some(size) = request.size {
        config["imageConfig"] = json!({ "aspectRatio": manner.shape(size).to_string() });
        if let PictureSize::Pixels { width, height } = size
            && manner.draws_with(Take::Resolution)
        {
            let size = match width.max(height) {
                0..=1536 => "1K",
                1537..=3072 => "2K",
                _ => "4K",
            };
            config["imageConfig"]["imageSize"] = size.into();
        }
    }
    // Its seeds are numbers of 32 bits with a sign.
    if let Some(seed) = seed(request, part.index, i32::MAX as u64)? {
        config["seed"] = seed.into();
    }
    let body = json!({ "contents": [{ "role": "user", "parts": parts }], "generationConfig": config });
    Ok(json(format!("{}:generateContent", gemini_name(model)?), &body, Answer::Whole))
}

/// Reads an answer.
pub(crate) fn read(body: &[u8]) -> Result<Drawn> {
    let whole: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
    if let Some(reason) = whole["promptFeedback"]["blockReason"].as_str() {
        return Err(withheld(reason));
    }
    let candidate = &whole["candidates"][0];
    let parts = candidate["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    // What it drew while it thought is not the answer.
    let answer = || parts.iter().filter(|part| part["thought"] != true);
    let data = answer().filter_map(|part| part["inlineData"]["data"].as_str());
    let made = data.map(|data| Ok(Made::plain(Source::Here(unpacked(data)?))));
    let pictures: Vec<Made> = made.collect::<Result<_>>()?;
    if pictures.is_empty() {
        let said: String = answer().filter_map(|part| part["text"].as_str()).collect();
        return Err(match candidate["finishReason"].as_str() {
            Some("STOP") | None if !said.is_empty() => {
                wrong(&format!("holds no picture, but says: {}", said.chars().take(500).collect::<String>()))
            }
            Some("STOP" | "MAX_TOKENS") | None => wrong("holds no picture"),
            Some(reason) => withheld(candidate["finishMessage"].as_str().unwrap_or(reason)),
        });
    }
    Ok(Drawn { pictures, usage: usage(&whole["usageMetadata"]) })
}

fn usage(told: &Value) -> ImagineUsage {
    let of = |details: &str, kind: &str| -> usize {
        let list = told[details].as_array().into_iter().flatten();
        let counts = list.filter(|it| it["modality"] == kind).map(|it| told_count(&it["tokenCount"]));
        counts.fold(0, usize::saturating_add)
    };
    let picture_tokens = of("promptTokensDetails", "IMAGE");
    let thought = told_count(&told["thoughtsTokenCount"]);
    ImagineUsage {
        images: 0,
        text_tokens: told_count(&told["promptTokenCount"]).saturating_sub(picture_tokens),
        picture_tokens,
        output_tokens: told_count(&told["candidatesTokenCount"]).saturating_add(thought),
        // What is thought is paid for as text is.
        output_text_tokens: of("candidatesTokensDetails", "TEXT").saturating_add(thought),
        cost: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::imagining::{Drawing, SizeForm};
    use parasol_core::{ErrorKind, ImagineRequest, Picture};

    fn manner() -> Manner {
        let drawing = Drawing {
            form: SizeForm::Ratio,
            sizes: ["1:1", "16:9"].map(|size| size.parse().unwrap()).to_vec(),
            takes: Some(vec![Take::Size, Take::Resolution, Take::Seed]),
            ..Drawing::default()
        };
        Manner { drawing, ..Manner::standard() }
    }

    #[test]
    fn pictures_are_asked_for_beside_text() {
        let request_ = ImagineRequest {
            prompt: "A cat".into(),
            size: "3840x2160".parse().ok(),
            seed: Some(7),
            pictures: vec![Picture::new(b"GIF89a".to_vec()).unwrap()],
            ..ImagineRequest::default()
        };
        let part = Part { request: &request_, index: 1, count: 1 };
        let it = request("gemini-2.5-flash-image", part, &manner()).unwrap();
        assert_eq!(it.path, "models/gemini-2.5-flash-image:generateContent");
        let wanted = json!({
            "contents": [{ "role": "user", "parts": [
                { "text": "A cat" }, { "inlineData": { "mimeType": "image/gif", "data": "R0lGODlh" } } ] }],
            "generationConfig": { "responseModalities": ["TEXT", "IMAGE"], "seed": 8,
                "imageConfig": { "aspectRatio": "16:9", "imageSize": "4K" } },
        });
        assert_eq!(serde_json::from_slice::<Value>(&it.body).unwrap(), wanted);
        let far = ImagineRequest { seed: Some(1 << 40), ..request_ };
        let error = request("m", Part { request: &far, index: 0, count: 1 }, &manner()).unwrap_err();
        assert!(error.message().starts_with("seed: "), "{error}");
    }

    #[test]
    fn what_was_drawn_in_thought_is_left_out_and_filters_are_told() {
        let answer = json!({
            "candidates": [{ "finishReason": "STOP", "content": { "parts": [
                { "thought": true, "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
                { "text": "Here it is." }, { "inlineData": { "mimeType": "image/gif", "data": "R0lGODlh" } } ] } }],
            "usageMetadata": { "promptTokenCount": 264, "candidatesTokenCount": 1300, "thoughtsTokenCount": 40,
                "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": 6 }, { "modality": "IMAGE", "tokenCount": 258 }],
                "candidatesTokensDetails": [{ "modality": "IMAGE", "tokenCount": 1290 }, { "modality": "TEXT", "tokenCount": 10 }] },
        });
        let drawn = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!(drawn.pictures.len(), 1);
        let it = drawn.usage;
        assert_eq!(
            (it.text_tokens, it.picture_tokens, it.output_tokens, it.output_text_tokens),
            (6, 258, 1340, 50)
        );
        let text = |reason: &str, said: &str| json!({ "candidates": [{ "finishReason": reason, "content": { "parts": [{ "text": said }] } }] });
        for (body, kind, part) in [
            (
                json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } }),
                ErrorKind::InvalidRequest,
                "PROHIBITED",
            ),
            (text("IMAGE_SAFETY", ""), ErrorKind::InvalidRequest, "IMAGE_SAFETY"),
            (text("STOP", "I would rather not."), ErrorKind::Network, "I would rather not."),
            (text("STOP", ""), ErrorKind::Network, "no picture"),
            (json!({}), ErrorKind::Network, "no picture"),
            (json!([1]), ErrorKind::Network, "no picture"),
        ] {
            let error = read(body.to_string().as_bytes()).unwrap_err();
            assert!(*error.kind() == kind && error.message().contains(part), "{error}");
        }
        assert!(read(b"<html>").is_err());
    }
}
