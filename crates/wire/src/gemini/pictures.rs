//! `responseModalities` with `IMAGE`: pictures from a text, on the server's side. Calling Gemini's API for them is `picture.rs`.
//!
//! Spec: <https://ai.google.dev/gemini-api/docs/image-generation>.

use crate::fields::{Fields, Spelling};
use crate::imagining::base64;
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use parasol_core::{Error, ImagineRequest, ImagineUsage, Imagined, Picture, Result};
use serde_json::{Value, json};

/// Pictures as they were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PictureCall {
    /// What is asked.
    pub request: ImagineRequest,
    /// Fields that were accepted though they change nothing.
    pub without_effect: Vec<String>,
}

/// Whether a body asks for pictures.
#[must_use]
pub fn asks_for_pictures(body: &Value) -> bool {
    let config = body.get("generationConfig").or_else(|| body.get("generation_config"));
    let kinds = config.and_then(|it| it.get("responseModalities").or_else(|| it.get("response_modalities")));
    let image = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("image"));
    kinds.and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(image))
}

impl PictureCall {
    /// Reads a body that [`asks_for_pictures`].
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Protobuf)?;
        let mut call = Self::default();
        f.take("model");
        call.contents(&mut f)?;
        f.refuse("systemInstruction", "a model that makes pictures is told everything in the contents")?;
        for name in ["tools", "toolConfig"] {
            f.refuse(name, "a model that makes pictures calls no tools here")?;
        }
        f.note(&["safetySettings", "labels", "store", "serviceTier"], &mut call.without_effect);
        if let Some(config) = f.object("generationConfig")? {
            call.config(config)?;
        }
        f.finish()?;
        call.request.check()?;
        Ok(call)
    }

    fn contents(&mut self, f: &mut Fields) -> Result<()> {
        let path = f.at("contents");
        let list = match f.need("contents")? {
            Value::Array(list) => list,
            one => vec![one],
        };
        for (i, content) in list.into_iter().enumerate() {
            let mut content = Fields::new(content, format!("{path}.{i}"), Spelling::Protobuf)?;
            if content.string("role")?.is_some_and(|role| role == "model") {
                let what = "is model: send its picture among the user's parts, with what is to be changed";
                return Err(content.wrong("role", what));
            }
            for part in content.objects("parts")?.unwrap_or_default() {
                self.part(part)?;
            }
            content.finish()?;
        }
        Ok(())
    }

    fn part(&mut self, mut part: Fields) -> Result<()> {
        if let Some(text) = part.string("text")? {
            if !self.request.prompt.is_empty() {
                self.request.prompt.push('\n');
            }
            self.request.prompt.push_str(&text);
        }
        if let Some(mut data) = part.object("inlineData")? {
            data.take("mimeType");
            let text = data.need_string("data")?;
            let wrong = |e: &dyn std::fmt::Display| data.wrong("data", e);
            let bytes = STANDARD.decode(text).map_err(|e| wrong(&format_args!("is no base64: {e}")))?;
            let picture = Picture::new(bytes).map_err(|e: Error| wrong(&e.message()))?;
            self.request.pictures.push(picture);
            data.finish()?;
        }
        part.finish()
    }

    fn config(&mut self, mut f: Fields) -> Result<()> {
        let kinds = f.strings("responseModalities")?.unwrap_or_default();
        let other =
            kinds.iter().find(|kind| !["IMAGE", "TEXT"].contains(&kind.to_ascii_uppercase().as_str()));
        if let Some(other) = other {
            return Err(f.wrong("responseModalities", format_args!("{other:?} does not go with IMAGE")));
        }
        self.request.count = f.count("candidateCount", 1)?.unwrap_or(1);
        self.request.seed = f.count("seed", 0)?.map(|seed| seed as u64);
        // How tokens would be drawn; here none are told.
        f.note(&["temperature", "topP", "topK", "maxOutputTokens"], &mut self.without_effect);
        if let Some(mut image) = f.object("imageConfig")? {
            let ratio = image.string("aspectRatio")?;
            let size =
                ratio.map(|text| text.parse().map_err(|e: Error| image.wrong("aspectRatio", e.message())));
            self.request.size = size.transpose()?;
            match image.string("imageSize")?.as_deref() {
                None | Some("1K") => {}
                Some(_) => return Err(image.wrong("imageSize", "is 1K here: a shape alone is passed on")),
            }
            image.finish()?;
        }
        f.finish()
    }
}

/// A response that holds pictures, each a candidate.
#[must_use]
pub fn response(id: &str, model: &str, pictures: &[Imagined], usage: &ImagineUsage) -> Value {
    let candidate = |it: &Imagined| {
        let data = json!({ "mimeType": it.picture.format.media_type(), "data": base64(&it.picture.bytes) });
        json!({ "index": it.index, "finishReason": "STOP",
            "content": { "role": "model", "parts": [{ "inlineData": data }] } })
    };
    let (input, output) = (usage.input_tokens(), usage.output_tokens);
    json!({
        "candidates": pictures.iter().map(candidate).collect::<Vec<_>>(),
        "usageMetadata": {
            "promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": input.saturating_add(output),
        },
        "modelVersion": model,
        "responseId": id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body(config: Value) -> Value {
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "Make it" },
            { "inlineData": { "mimeType": "image/gif", "data": "R0lGODlh" } }, { "text": "night." }] }],
            "generationConfig": config })
    }

    #[test]
    fn pictures_are_told_from_text_and_read() {
        let asked = body(
            json!({ "responseModalities": ["TEXT", "IMAGE"], "candidateCount": 2, "seed": 7, "temperature": 1,
            "imageConfig": { "aspectRatio": "16:9" } }),
        );
        assert!(
            asks_for_pictures(&asked) && !asks_for_pictures(&body(json!({ "responseModalities": ["TEXT"] })))
        );
        let call = PictureCall::read(asked).unwrap();
        let it = &call.request;
        assert_eq!((it.prompt.as_str(), it.pictures.len(), it.count), ("Make it\nnight.", 1, 2));
        assert_eq!((it.size.unwrap().to_string().as_str(), it.seed), ("16:9", Some(7)));
        assert_eq!(call.without_effect, ["generationConfig.temperature"]);
        let image = |more: Value| {
            let mut config = json!({ "responseModalities": ["IMAGE"] });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body(config)
        };
        for (body, part) in [
            (image(json!({ "responseModalities": ["IMAGE", "AUDIO"] })), "responseModalities: \"AUDIO\""),
            (
                image(json!({ "imageConfig": { "aspectRatio": "wide" } })),
                "generationConfig.imageConfig.aspectRatio: \"wide\"",
            ),
            (image(json!({ "imageConfig": { "imageSize": "4K" } })), "imageSize"),
            (image(json!({ "responseSchema": {} })), "responseSchema"),
            (image(json!({ "candidateCount": 11 })), "n: is 11"),
            (
                json!({ "contents": { "parts": [{ "inlineData": { "data": "PGh0bWw+" } }] } }),
                "inlineData.data: 6 bytes are no picture",
            ),
            (
                json!({ "contents": { "parts": [{ "inlineData": { "data": "*" } }] } }),
                "inlineData.data: is no base64",
            ),
            (json!({ "contents": [{ "role": "model", "parts": [] }] }), "contents.0.role"),
            (json!({ "contents": [] }), "prompt: is empty"),
            (json!({}), "contents: is required"),
        ] {
            let error = PictureCall::read(body).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn each_picture_is_a_candidate() {
        let picture = Picture::new(b"GIF89a".to_vec()).unwrap();
        let made = |index| Imagined { index, picture: picture.clone(), seed: None, revised_prompt: None };
        let usage = ImagineUsage { text_tokens: 5, output_tokens: 1290, ..ImagineUsage::default() };
        let it = response("r", "m", &[made(0), made(1)], &usage);
        assert_eq!(it["candidates"][1]["content"]["parts"][0]["inlineData"]["data"], "R0lGODlh");
        assert_eq!(
            (&it["candidates"][1]["index"], &it["usageMetadata"]["totalTokenCount"]),
            (&json!(1), &json!(1295))
        );
    }
}
