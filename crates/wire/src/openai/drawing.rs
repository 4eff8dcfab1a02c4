//! Asking a provider that speaks OpenAI's protocol, or a form of it, for pictures.
//! References: <https://platform.openai.com/docs/api-reference/images>, <https://docs.x.ai/developers/model-capabilities/images/generation>
//! and <https://docs.together.ai/reference/post-images-generations>.

use crate::client::{Manner, told_count};
use crate::imagining::{
    Answer, Drawn, Made, Outgoing, Part, SizeForm, Source, Take, data_url, json, seed, unpacked, withheld,
    wrong,
};
use crate::multipart::Multipart;
use crate::openai::client::short;
use crate::sse::{SseEvent, SseParser};
use parasol_core::{Error, ErrorKind, ImagineUsage, Money, Picture, PictureSize, Result};
use serde_json::{Map, Value};

/// The largest event of a stream: a picture of 4K in base64.
const LARGEST: usize = 96 << 20;

/// The request for a part of the pictures.
pub(crate) fn request(model: &str, part: Part<'_>, manner: &Manner, boundary: &str) -> Result<Outgoing> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("prompt".into(), part.request.prompt.as_str().into());
    if part.count > 1 || manner.drawing.form == SizeForm::Size {
        body.insert("n".into(), part.count.into());
    }
    told(part, manner, &mut body)?;
    let answer = if manner.previews(part.request) { Answer::Events } else { Answer::Whole };
    match manner.drawing.form {
        SizeForm::Size => Ok(openai(part, body, answer, boundary)),
        SizeForm::Ratio => Ok(ratio(part, body)),
        SizeForm::Pixels => Ok(pixels(part, body)),
    }
}

/// The fields that say something about the picture; whether they can be told has been asked before.
fn told(part: Part<'_>, manner: &Manner, body: &mut Map<String, Value>) -> Result<()> {
    let (request, form) = (part.request, manner.drawing.form);
    match (request.size, form) {
        (Some(size), SizeForm::Size) => put(body, "size", size.to_string()),
        (Some(size), SizeForm::Ratio) => {
            put(body, "aspect_ratio", manner.shape(size).to_string());
            if let PictureSize::Pixels { width, height } = size
                && manner.draws_with(Take::Resolution)
            {
                put(body, "resolution", if width.max(height) > 1536 { "2k" } else { "1k" });
            }
        }
        (Some(size), SizeForm::Pixels) => {
            let (width, height) = size.sides();
            put(body, "width", width);
            put(body, "height", height);
        }
        (None, _) => {}
    }
    // OpenAI's own models send base64 and refuse to be asked for it; all others send addresses unless they are asked.
    match form {
        SizeForm::Size if manner.extended => put(body, "response_format", "b64_json"),
        SizeForm::Size => {}
        SizeForm::Ratio => put(body, "response_format", "b64_json"),
        SizeForm::Pixels => put(body, "response_format", "base64"),
    }
    let texts = [
        ("quality", &request.quality),
        ("negative_prompt", &request.negative_prompt),
        ("background", &request.background),
        ("moderation", &request.moderation),
        ("input_fidelity", &request.fidelity),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            put(body, name, text.as_str());
        }
    }
    if let Some(seed) = seed(request, part.index, i64::MAX as u64)? {
        put(body, "seed", seed);
    }
    if let Some(steps) = request.steps {
        put(body, "steps", steps);
    }
    for (name, number) in [("guidance_scale", request.guidance), ("strength", request.strength)] {
        if let Some(number) = number {
            body.insert(name.into(), short(number));
        }
    }
    if let Some(format) = request.format.filter(|_| manner.draws_with(Take::OutputFormat)) {
        put(body, "output_format", format.name());
    }
    if let Some(kept) = request.compression {
        put(body, "output_compression", kept);
    }
    if manner.previews(request) {
        put(body, "stream", true);
        put(body, "partial_images", request.previews);
    }
    Ok(())
}

fn put(body: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    body.insert(name.into(), value.into());
}

/// OpenAI's own form: pictures make it an edit, and go along as files.
fn openai(part: Part<'_>, body: Map<String, Value>, answer: Answer, boundary: &str) -> Outgoing {
    let request = part.request;
    if request.pictures.is_empty() {
        return json("images/generations", &Value::Object(body), answer);
    }
    let mut form = Multipart::new(boundary);
    for (name, value) in &body {
        form.field(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let name = if request.pictures.len() == 1 { "image" } else { "image[]" };
    let file = |form: &mut Multipart<'_>, name: &str, it: &Picture, stem: String| {
        form.file(name, &format!("{stem}.{}", it.format.name()), it.format.media_type(), &it.bytes);
    };
    for (number, picture) in request.pictures.iter().enumerate() {
        file(&mut form, name, picture, format!("picture{number}"));
    }
    if let Some(mask) = &request.mask {
        file(&mut form, "mask", mask, "mask".into());
    }
    let (content_type, body) = form.finish();
    Outgoing { content_type, body, ..json("images/edits", &Value::Null, answer) }
}

/// Shapes in place of sizes, and pictures as objects with an address.
fn ratio(part: Part<'_>, mut body: Map<String, Value>) -> Outgoing {
    let address = |picture: &Picture| serde_json::json!({ "type": "image_url", "url": data_url(picture) });
    let path = match &part.request.pictures[..] {
        [] => "images/generations",
        [one] => {
            body.insert("image".into(), address(one));
            "images/edits"
        }
        several => {
            body.insert("images".into(), several.iter().map(address).collect());
            "images/edits"
        }
    };
    json(path, &Value::Object(body), Answer::Whole)
}

/// Width and height in place of sizes, and pictures as addresses.
fn pixels(part: Part<'_>, mut body: Map<String, Value>) -> Outgoing {
    match &part.request.pictures[..] {
        [] => {}
        [one] => put(&mut body, "image_url", data_url(one)),
        several => {
            body.insert("reference_images".into(), several.iter().map(data_url).map(Value::from).collect());
        }
    }
    json("images/generations", &Value::Object(body), Answer::Whole)
}

/// Reads an answer in one piece.
pub(crate) fn read(body: &[u8]) -> Result<Drawn> {
    let whole: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
    // Some refuse with a status of success.
    if let Some(error) = whole["error"]["message"].as_str().or(whole["error"].as_str()) {
        return Err(wrong(&format!("is an error: {}", error.chars().take(500).collect::<String>())));
    }
    let Some(data) = whole["data"].as_array() else { return Err(wrong("holds no list of pictures")) };
    let pictures = data.iter().map(made).collect::<Result<_>>()?;
    Ok(Drawn { pictures, usage: usage(&whole["usage"]) })
}

fn made(it: &Value) -> Result<Made> {
    if it["respect_moderation"] == false {
        return Err(withheld("moderation"));
    }
    let source = match (it["b64_json"].as_str().filter(|it| !it.is_empty()), it["url"].as_str()) {
        (Some(data), _) => Source::Here(unpacked(data)?),
        (None, Some(url)) => address(url)?,
        (None, None) => return Err(wrong("holds a picture without b64_json and url")),
    };
    let revised = it["revised_prompt"].as_str().filter(|text| !text.is_empty());
    Ok(Made { source, seed: it["seed"].as_u64(), revised_prompt: revised.map(str::to_owned) })
}

/// An address, which may hold the picture itself.
fn address(url: &str) -> Result<Source> {
    match crate::media::of_data_url(url) {
        Some(data) => unpacked(data).map(Source::Here),
        None => Ok(Source::Address(url.to_owned())),
    }
}

/// Tokens, where they are counted, and the cost where the provider tells it, in ticks of 10⁻¹⁰ dollars or in dollars.
fn usage(told: &Value) -> ImagineUsage {
    let picture_tokens = told_count(&told["input_tokens_details"]["image_tokens"]);
    let ticks = told["cost_in_usd_ticks"].as_f64().map(|ticks| ticks * 1e-10);
    ImagineUsage {
        images: 0,
        text_tokens: told_count(&told["input_tokens"]).saturating_sub(picture_tokens),
        picture_tokens,
        output_tokens: told_count(&told["output_tokens"]),
        output_text_tokens: told_count(&told["output_tokens_details"]["text_tokens"]),
        cost: ticks.or(told["cost"].as_f64()).filter(|cost| *cost >= 0.0).map(Money::dollars),
    }
}

/// What a stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The picture so far, and which of its previews that is.
    Preview(usize, Picture),
    /// The picture is done.
    Done(Made, ImagineUsage),
}

/// Reads a stream of pictures, however it is cut.
#[derive(Debug)]
pub struct Events {
    parser: SseParser,
    done: bool,
    /// What went wrong behind events that are told first.
    failed: Option<Error>,
}

impl Default for Events {
    fn default() -> Self {
        Self { parser: SseParser::with_limit(LARGEST), done: false, failed: None }
    }
}

impl Events {
    /// What is complete with `bytes`.
    ///
    /// # Errors
    /// The provider's own error where the stream tells one; `Network` for what is none of the protocol, or no picture.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>> {
        let mut out = Vec::new();
        for event in self.parser.push(bytes)? {
            match self.event(&event) {
                Ok(told) => out.extend(told),
                Err(error) if out.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(out)
    }

    /// What went wrong behind the events that [`Self::push`] told last.
    pub fn take_error(&mut self) -> Option<Error> {
        self.failed.take()
    }

    /// What the stream's end completes.
    ///
    /// # Errors
    /// `Network` when it broke off before the picture was done.
    pub fn finish(&mut self) -> Result<Vec<Event>> {
        let last = self.parser.finish()?;
        let last = last.map(|event| self.event(&event)).transpose()?.flatten();
        match self.done {
            true => Ok(last.into_iter().collect()),
            false => Err(wrong("broke off before the picture was done")),
        }
    }

    /// Whether the picture is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn event(&mut self, event: &SseEvent) -> Result<Option<Event>> {
        if self.done || event.data.trim() == "[DONE]" {
            return Ok(None);
        }
        let told: Value = serde_json::from_str(&event.data)
            .map_err(|e| wrong(&format!("has an event that is no JSON: {e}")))?;
        let kind = told["type"].as_str().or(event.event.as_deref()).unwrap_or_default();
        let data = || told["b64_json"].as_str().ok_or_else(|| wrong("has an event without its picture"));
        if !told["error"].is_null() || kind == "error" {
            return Err(failed(&told));
        }
        if kind.ends_with(".partial_image") {
            let number = told_count(&told["partial_image_index"]);
            return Ok(Some(Event::Preview(number, unpacked(data()?)?)));
        }
        if kind.ends_with(".completed") {
            self.done = true;
            let made = Made { seed: told["seed"].as_u64(), ..Made::plain(Source::Here(unpacked(data()?)?)) };
            return Ok(Some(Event::Done(made, usage(&told["usage"]))));
        }
        // What else there may be one day says nothing about the picture.
        Ok(None)
    }
}

/// The error that a stream tells.
fn failed(told: &Value) -> Error {
    let inner = if told["error"].is_null() { told } else { &told["error"] };
    let message: String = inner["message"]
        .as_str()
        .or(inner.as_str())
        .unwrap_or("it names no cause")
        .chars()
        .take(2000)
        .collect();
    let blocked = inner["code"] == "moderation_blocked" || inner["type"] == "image_generation_user_error";
    let kind = match inner["type"].as_str() {
        _ if blocked => ErrorKind::InvalidRequest,
        Some("invalid_request_error") => ErrorKind::InvalidRequest,
        _ if inner["code"] == "rate_limit_exceeded" => ErrorKind::RateLimited { retry_after: 1 },
        _ => ErrorKind::Network,
    };
    Error::new(kind, message)
}

#[cfg(test)]
#[path = "drawing_tests.rs"]
mod tests;
