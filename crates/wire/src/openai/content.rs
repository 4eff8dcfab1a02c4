//! The content of messages: a string or a list of parts, to the vocabulary and back.

use crate::fields::{Fields, Spelling, invalid};
use crate::media::{self, Content, contents};
use parasol_core::{Attachment, CacheHint, Error, ErrorKind, MediaKind, MediaSource, Message, Result};
use serde_json::{Value, json};

/// Takes a string or parts into a message. Texts are one text.
pub(crate) fn read(message: &mut Message, content: Value, path: &str) -> Result<()> {
    let parts = match content {
        Value::String(text) => {
            message.content.push_str(&text);
            return Ok(());
        }
        Value::Array(parts) => parts,
        _ => return Err(invalid(path, "must be a string or a list of parts")),
    };
    for (i, part) in parts.into_iter().enumerate() {
        part_of(message, Fields::new(part, format!("{path}.{i}"), Spelling::Exact)?)?;
    }
    Ok(())
}

fn part_of(message: &mut Message, mut f: Fields) -> Result<()> {
    match f.need_string("type")?.as_str() {
        "text" | "input_text" | "output_text" => message.content.push_str(&f.need_string("text")?),
        "refusal" => message.content.push_str(&f.need_string("refusal")?),
        "image_url" => {
            let attachment = image_url(&mut f)?;
            media::attach(message, attachment);
        }
        "input_image" => {
            let attachment = match f.string("file_id")? {
                Some(id) => by_id(MediaKind::Image, id),
                None => media::of_url(MediaKind::Image, f.need_string("image_url")?, &f.at("image_url"))?,
            };
            f.string("detail")?;
            media::attach(message, attachment);
        }
        "input_audio" => {
            let attachment = audio(&mut f)?;
            media::attach(message, attachment);
        }
        "file" => {
            let Some(file) = f.object("file")? else { return Err(f.wrong("file", "is required")) };
            media::attach(message, self::file(file)?);
        }
        "input_file" => {
            // Here its fields stand beside the type.
            let attachment = file_fields(&mut f)?;
            media::attach(message, attachment);
        }
        _ => return Err(f.wrong("type", "must be text, image_url, input_audio or file")),
    }
    for harmless in ["annotations", "logprobs"] {
        f.take(harmless);
    }
    message.cache = cache_hint(&mut f)?.or(message.cache);
    f.finish()
}

/// The mark that OpenRouter and LiteLLM take over from Anthropic's protocol.
fn cache_hint(f: &mut Fields) -> Result<Option<CacheHint>> {
    let Some(mut control) = f.object("cache_control")? else { return Ok(None) };
    control.string("type")?;
    let hint = match control.string("ttl")?.as_deref() {
        Some("1h") => CacheHint::Hour,
        _ => CacheHint::Minutes,
    };
    control.finish()?;
    Ok(Some(hint))
}

fn by_id(kind: MediaKind, id: String) -> Attachment {
    Attachment { at: 0, kind, source: MediaSource::Id(id), media_type: None, name: None, cited: false }
}

fn image_url(f: &mut Fields) -> Result<Attachment> {
    let path = f.at("image_url");
    match f.need("image_url")? {
        Value::String(url) => media::of_url(MediaKind::Image, url, &path),
        object => {
            let mut image = Fields::new(object, path, Spelling::Exact)?;
            let attachment = media::of_url(MediaKind::Image, image.need_string("url")?, &image.at("url"))?;
            // How closely it is looked at is the model's affair.
            image.string("detail")?;
            image.finish()?;
            Ok(attachment)
        }
    }
}

fn audio(f: &mut Fields) -> Result<Attachment> {
    let Some(mut audio) = f.object("input_audio")? else { return Err(f.wrong("input_audio", "is required")) };
    let format = audio.need_string("format")?;
    if format.is_empty() || !format.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(audio.wrong("format", "must be wav, mp3 or another format's name"));
    }
    let (data, path) = (audio.need_string("data")?, audio.at("data"));
    audio.finish()?;
    media::of_base64(MediaKind::Audio, &format!("audio/{format}"), data, &path)
}

fn file(mut f: Fields) -> Result<Attachment> {
    let attachment = file_fields(&mut f)?;
    f.finish()?;
    Ok(attachment)
}

fn file_fields(f: &mut Fields) -> Result<Attachment> {
    let name = f.string("filename")?;
    let attachment = match (f.string("file_id")?, f.string("file_data")?, f.string("file_url")?) {
        (Some(id), None, None) => by_id(MediaKind::Document, id),
        (None, Some(data), None) if data.starts_with("data:") => {
            media::of_url(MediaKind::Document, data, &f.at("file_data"))?
        }
        (None, Some(data), None) => {
            media::of_base64(MediaKind::Document, "application/pdf", data, &f.at("file_data"))?
        }
        (None, None, Some(url)) => media::of_url(MediaKind::Document, url, &f.at("file_url"))?,
        _ => return Err(f.wrong("file_data", "is required: one of file_data, file_id and file_url")),
    };
    Ok(Attachment { name, ..attachment })
}

type Ignored = Vec<(String, String)>;

/// Reports that a document cannot be cited.
pub(crate) fn uncited(attachment: &Attachment, path: &str, ignored: &mut Ignored) {
    if attachment.cited {
        let why = "the protocol cannot ask for a document to be cited".to_owned();
        ignored.push((format!("{path}.attachments"), why));
    }
}

/// Reports a mark for a cache, which the protocol has none for.
pub(crate) fn unmarked(message: &Message, path: &str, ignored: &mut Ignored) {
    if message.cache.is_some() {
        let why = "the provider finds common beginnings by itself".to_owned();
        ignored.push((format!("{path}.cache"), why));
    }
}

/// A message's content as a provider reads it: a string where it is nothing but text.
///
/// # Errors
/// `Unsupported` for what the protocol has no part for.
pub(crate) fn write(message: &Message, path: &str, ignored: &mut Ignored) -> Result<Value> {
    if message.attachments.is_empty() {
        return Ok(message.content.as_str().into());
    }
    let each = contents(message).into_iter().map(|content| match content {
        Content::Text(text) => Ok(json!({ "type": "text", "text": text })),
        Content::Media(attachment) => {
            uncited(attachment, path, ignored);
            write_media(attachment, path)
        }
    });
    each.collect::<Result<Vec<_>>>().map(Value::from)
}

fn write_media(attachment: &Attachment, path: &str) -> Result<Value> {
    let media_type = attachment.media_type.as_deref();
    Ok(match (attachment.kind, &attachment.source) {
        (MediaKind::Image, MediaSource::Url(url)) => {
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
        (MediaKind::Image, MediaSource::Base64(data)) => {
            let url = media::data_url(media_type.or(Some("image/png")), data);
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
        (MediaKind::Audio, MediaSource::Base64(data)) => {
            let format = media_type.and_then(|t| t.strip_prefix("audio/")).unwrap_or("wav");
            json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } })
        }
        (MediaKind::Document, MediaSource::Base64(data)) => {
            let url = media::data_url(media_type.or(Some("application/pdf")), data);
            json!({ "type": "file", "file": { "filename": name(attachment), "file_data": url } })
        }
        (MediaKind::Document, MediaSource::Id(id)) => json!({ "type": "file", "file": { "file_id": id } }),
        // A text is as good as a file of it.
        (MediaKind::Document, MediaSource::Text(text)) => {
            let titled = attachment.name.as_ref().map(|name| format!("{name}:\n")).unwrap_or_default();
            json!({ "type": "text", "text": format!("{titled}{text}") })
        }
        (kind, source) => return Err(missing(kind, source, path)),
    })
}

/// A document has to be called something.
pub(crate) fn name(attachment: &Attachment) -> &str {
    attachment.name.as_deref().unwrap_or("document")
}

pub(crate) fn missing(kind: MediaKind, source: &MediaSource, path: &str) -> Error {
    let whence = match source {
        MediaSource::Url(_) => "by its address",
        MediaSource::Base64(_) => "in base64",
        MediaSource::Text(_) => "as text",
        MediaSource::Id(_) => "by an id",
    };
    let message = format!("{path}.attachments: OpenAI's protocol does not take {} {whence}", kind.name());
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::Role;

    fn taken(parts: Value) -> Result<Message> {
        let mut message = Message::new(Role::User, "");
        read(&mut message, parts, "messages.0.content").map(|()| message)
    }

    #[test]
    fn pictures_sound_and_files_come_and_go_as_they_are() {
        let parts = json!([
            { "type": "text", "text": "a" },
            { "type": "image_url", "image_url": { "url": "https://h/p.png" } },
            { "type": "image_url", "image_url": { "url": "data:image/webp;base64,AAAA" } },
            { "type": "text", "text": "b" },
            { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } },
            { "type": "file", "file": { "filename": "x.pdf", "file_data": "data:application/pdf;base64,AAAA" } },
            { "type": "file", "file": { "file_id": "file-1" } },
        ]);
        let message = taken(parts.clone()).unwrap();
        assert_eq!((message.content.as_str(), message.attachments.len()), ("ab", 5));
        assert_eq!(write(&message, "messages.0", &mut Vec::new()).unwrap(), parts);
    }

    #[test]
    fn what_is_wrong_with_a_part_is_named() {
        for (part, says) in [
            (json!({ "type": "image_url" }), "messages.0.content.0.image_url: is required"),
            (json!({ "type": "image_url", "image_url": { "url": "file:///x" } }), "image_url.url: must be"),
            (
                json!({ "type": "input_audio", "input_audio": { "data": "?", "format": "wav" } }),
                "data: is no",
            ),
            (json!({ "type": "file", "file": {} }), "file.file_data: is required"),
            (json!({ "type": "hologram" }), "type: must be text"),
        ] {
            let error = taken(json!([part])).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
        let mut message = Message::new(Role::User, "");
        media::attach(&mut message, by_id(MediaKind::Video, "v".into()));
        let error = write(&message, "messages.0", &mut Vec::new()).unwrap_err();
        assert!(error.message().starts_with("messages.0.attachments: "), "{error}");
    }
}
