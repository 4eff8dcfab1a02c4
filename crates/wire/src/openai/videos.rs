//! Serving OpenAI's video jobs: `/v1/videos`, the fields of its requests and the shapes of its answers.
//! Reference: <https://developers.openai.com/api/reference/resources/videos> and its package openai, version 3.57.0.
//! Beyond it `negative_prompt` and `seed`.

use crate::fields::{Fields, Spelling, invalid};
use crate::media::of_data_url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{FilmRequest, FilmSize, FirstFrame, Result};
use serde_json::{Map, Value, json};

/// The model that the protocol takes where none is named.
const DEFAULT: &str = "sora-2";

/// A film that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoCall {
    /// The model.
    pub model: String,
    /// What is asked of it.
    pub request: FilmRequest,
}

impl VideoCall {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is missing, malformed, not known or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        Self::of(Fields::new(body, "", Spelling::Exact)?, None)
    }

    /// Reads a form, whose picture is the file `input_reference`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_form(fields: &[(String, String)], picture: Option<Vec<u8>>) -> Result<Self> {
        let mut map = Map::new();
        for (name, value) in fields {
            let value = Value::from(value.as_str());
            let twice = match name.split_once('[') {
                // Official clients write the parts of an object so.
                Some(("input_reference", part)) => {
                    let reference = map.entry("input_reference").or_insert_with(|| json!({}));
                    let object = reference.as_object_mut();
                    object
                        .and_then(|object| object.insert(part.trim_end_matches(']').to_owned(), value))
                        .is_some()
                }
                _ => map.insert(name.clone(), value).is_some(),
            };
            if twice {
                return Err(invalid(name, "stands in the form twice: send it once"));
            }
        }
        Self::of(Fields::new(Value::Object(map), "", Spelling::Exact)?, picture)
    }

    fn of(mut f: Fields, picture: Option<Vec<u8>>) -> Result<Self> {
        let model = f.string("model")?.unwrap_or_else(|| DEFAULT.to_owned());
        let prompt = f.need_string("prompt")?;
        let negative_prompt = f.string("negative_prompt")?;
        let seconds = whole(&mut f, "seconds")?;
        let seconds = seconds.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let seed = whole(&mut f, "seed")?;
        let size: Option<FilmSize> = f.string("size")?.map(|text| text.parse()).transpose()?;
        let first_frame = match (picture, reference(&mut f)?) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "input_reference",
                    "is there as a file and as an object: send one of them",
                ));
            }
            (Some(bytes), None) | (None, Some(bytes)) => Some(FirstFrame { bytes }),
            (None, None) => None,
        };
        f.finish()?;
        let request =
            FilmRequest { prompt, negative_prompt, first_frame, size, seconds, seed, client: String::new() };
        request.check().map_err(|e| {
            // The protocol's own name for it.
            let message = e.message().replacen("first_frame: ", "input_reference: ", 1);
            parasol_core::Error::new(e.kind().clone(), message)
        })?;
        Ok(Self { model, request })
    }
}

/// The prompt of a remix, from its body.
///
/// # Errors
/// `InvalidRequest` naming the field that is missing or not known.
pub fn read_remix(body: Value) -> Result<String> {
    let mut f = Fields::new(body, "", Spelling::Exact)?;
    let prompt = f.need_string("prompt")?;
    f.finish()?;
    Ok(prompt)
}

/// A whole number, which the protocol writes as a text.
fn whole(f: &mut Fields, name: &str) -> Result<Option<u64>> {
    let Some(value) = f.take(name) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        let shown: String = value.to_string().chars().take(40).collect();
        f.wrong(name, format_args!("is {shown} and must be a whole number, such as 8 or \"8\""))
    })
}

/// The picture of an `input_reference` that is an object.
fn reference(f: &mut Fields) -> Result<Option<Vec<u8>>> {
    let Some(mut it) = f.object("input_reference")? else { return Ok(None) };
    it.refuse("file_id", "files are not kept here: send the picture itself, as a file or a data: URL")?;
    let url = it.need_string("image_url")?;
    let path = it.at("image_url");
    it.finish()?;
    let data = of_data_url(&url).ok_or_else(|| {
        invalid(
            &path,
            "must be a data: URL in base64: pictures are not fetched from elsewhere; or send it as a file",
        )
    })?;
    let bytes = STANDARD.decode(data).map_err(|_| invalid(&path, "is no standard base64"))?;
    Ok(Some(bytes))
}

/// A job, as the protocol tells of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Video<'a> {
    /// Its id.
    pub id: &'a str,
    /// The model.
    pub model: &'a str,
    /// `queued`, `in_progress`, `completed` or `failed`.
    pub status: &'static str,
    /// Per cent that are done.
    pub progress: u8,
    /// What was asked for.
    pub prompt: &'a str,
    /// How long it is, in seconds.
    pub seconds: u32,
    /// Its width and height.
    pub size: FilmSize,
    /// When it was asked for, in seconds since 1970.
    pub created: i64,
    /// When it was done.
    pub completed: Option<i64>,
    /// When its film is removed.
    pub expires: Option<i64>,
    /// Why there is none: a code and a sentence.
    pub error: Option<(&'a str, &'a str)>,
    /// The film that it is made of.
    pub remixed_from: Option<&'a str>,
}

impl Video<'_> {
    /// The object.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({
            "id": self.id,
            "object": "video",
            "model": self.model,
            "status": self.status,
            "progress": self.progress,
            "created_at": self.created,
            "completed_at": self.completed,
            "expires_at": self.expires,
            "prompt": self.prompt,
            "seconds": self.seconds.to_string(),
            "size": self.size,
            "error": self.error.map(|(code, message)| json!({ "code": code, "message": message })),
            "remixed_from_video_id": self.remixed_from,
        })
    }
}

/// A page of jobs.
#[must_use]
pub fn page(videos: &[Value], more: bool) -> Value {
    let id = |video: Option<&Value>| video.map(|video| video["id"].clone());
    json!({
        "object": "list",
        "data": videos,
        "first_id": id(videos.first()),
        "last_id": id(videos.last()),
        "has_more": more,
    })
}

/// That a job is gone.
#[must_use]
pub fn deleted(id: &str) -> Value {
    json!({ "id": id, "object": "video.deleted", "deleted": true })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form(fields: &[(&str, &str)], picture: Option<&[u8]>) -> Result<VideoCall> {
        let fields: Vec<_> = fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        VideoCall::read_form(&fields, picture.map(<[u8]>::to_vec))
    }

    #[test]
    fn forms_and_objects_are_read_alike() {
        let png = "data:image/png;base64,iVBORw0KGgo=";
        let wanted = form(
            &[("model", "m"), ("prompt", "A cat."), ("seconds", "8"), ("size", "720x1280"), ("seed", "7")],
            Some(b"\x89PNG\r\n\x1a\n"),
        )
        .unwrap();
        assert_eq!(
            (wanted.model.as_str(), wanted.request.seconds, wanted.request.seed),
            ("m", Some(8), Some(7))
        );
        for seconds in [json!("8"), json!(8)] {
            let body = json!({ "model": "m", "prompt": "A cat.", "seconds": seconds, "size": "720x1280", "seed": 7,
                "input_reference": { "image_url": png } });
            assert_eq!(VideoCall::read(body).unwrap(), wanted);
        }
        let bracketed = [("model", "m"), ("prompt", "A cat."), ("input_reference[image_url]", png)];
        assert_eq!(form(&bracketed, None).unwrap().request.first_frame, wanted.request.first_frame);
        assert_eq!(VideoCall::read(json!({ "prompt": "A cat." })).unwrap().model, "sora-2");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (json!({}), "prompt: "),
            (json!({ "prompt": " " }), "prompt: "),
            (json!({ "prompt": "x", "seconds": "four" }), "seconds: "),
            (json!({ "prompt": "x", "seconds": -1 }), "seconds: "),
            (json!({ "prompt": "x", "seconds": 4.5 }), "seconds: "),
            (json!({ "prompt": "x", "seconds": 0 }), "seconds: "),
            (json!({ "prompt": "x", "seconds": 9_999_999_999_u64 }), "seconds: "),
            (json!({ "prompt": "x", "size": "big" }), "size: "),
            (json!({ "prompt": "x", "size": 720 }), "size: "),
            (json!({ "prompt": "x", "fps": 24 }), "fps: "),
            (json!({ "prompt": "x", "input_reference": "file-1" }), "input_reference: "),
            (
                json!({ "prompt": "x", "input_reference": { "file_id": "file-1" } }),
                "input_reference.file_id: ",
            ),
            (json!({ "prompt": "x", "input_reference": {} }), "input_reference.image_url: "),
            (
                json!({ "prompt": "x", "input_reference": { "image_url": "http://169.254.169.254/" } }),
                "input_reference.image_url: ",
            ),
            (
                json!({ "prompt": "x", "input_reference": { "image_url": "file:///etc/passwd" } }),
                "input_reference.image_url: ",
            ),
            (
                json!({ "prompt": "x", "input_reference": { "image_url": "data:image/png;base64,*" } }),
                "input_reference.image_url: ",
            ),
            (
                json!({ "prompt": "x", "input_reference": { "image_url": "data:image/gif;base64,R0lG" } }),
                "input_reference: ",
            ),
        ] {
            let error = VideoCall::read(body.clone()).unwrap_err();
            assert!(error.message().starts_with(field), "{body}: {error}");
        }
        let error = form(&[("prompt", "x"), ("prompt", "y")], None).unwrap_err();
        assert!(error.message().starts_with("prompt: "), "{error}");
        let both = [("prompt", "x"), ("input_reference[image_url]", "data:image/png;base64,iVBORw0KGgo=")];
        assert!(
            form(&both, Some(b"\x89PNG\r\n\x1a\n")).unwrap_err().message().starts_with("input_reference: ")
        );
        assert!(
            form(&[("prompt", "x")], Some(b"MZ")).unwrap_err().message().starts_with("input_reference: ")
        );
        assert!(
            read_remix(json!({ "prompt": "x", "size": "1x1" })).unwrap_err().message().starts_with("size: ")
        );
        assert_eq!(read_remix(json!({ "prompt": "x" })).unwrap(), "x");
    }
}
