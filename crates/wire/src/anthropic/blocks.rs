//! Content blocks of a Messages request that are more than text: pictures, documents, calls, and the marks on blocks.

use crate::fields::{Fields, Spelling, invalid};
use crate::media;
use parasol_core::{Attachment, CacheHint, MediaKind, MediaSource, Result, ToolCall};
use serde_json::Value;

/// A list of blocks at `path`.
pub(super) fn blocks(content: Value, path: &str) -> Result<Vec<Fields>> {
    let Value::Array(list) = content else {
        return Err(invalid(path, "must be a string or a list of content blocks"));
    };
    let each = list.into_iter().enumerate();
    each.map(|(i, block)| Fields::new(block, format!("{path}.{i}"), Spelling::Exact)).collect()
}

/// The mark that the prompt up to a block will be used again.
pub(super) fn cache_hint(f: &mut Fields) -> Result<Option<CacheHint>> {
    let Some(mut control) = f.object("cache_control")? else { return Ok(None) };
    let kind = control.need_string("type")?;
    if kind != "ephemeral" {
        return Err(control.wrong("type", "must be ephemeral"));
    }
    let hint = match control.string("ttl")?.as_deref() {
        None | Some("5m") => CacheHint::Minutes,
        Some("1h") => CacheHint::Hour,
        Some(_) => return Err(control.wrong("ttl", "must be 5m or 1h")),
    };
    control.finish()?;
    Ok(Some(hint))
}

/// The rest of a text block: its text and its mark.
pub(super) fn text(mut block: Fields, noted: &mut Vec<String>) -> Result<(String, Option<CacheHint>)> {
    let text = block.need_string("text")?;
    let hint = cache_hint(&mut block)?;
    // What an earlier answer cited is known to whoever sent it; the text stands without.
    if block.list("citations")?.is_some_and(|list| !list.is_empty()) {
        noted.push(block.at("citations"));
    }
    block.finish()?;
    Ok((text, hint))
}

/// The rest of a picture's or a document's block, and its mark.
pub(super) fn attachment(mut block: Fields, kind: MediaKind) -> Result<(Attachment, Option<CacheHint>)> {
    let Some(source) = block.object("source")? else { return Err(block.wrong("source", "is required")) };
    let mut attachment = read_source(source, kind)?;
    let hint = cache_hint(&mut block)?;
    if kind == MediaKind::Document {
        attachment.name = block.string("title")?;
        if block.string("context")?.is_some_and(|text| !text.is_empty()) {
            return Err(
                block.wrong("context", "is not offered: put it into a text block before the document")
            );
        }
        if let Some(mut citations) = block.object("citations")? {
            attachment.cited = citations.bool("enabled")?.unwrap_or(false);
            citations.finish()?;
        }
    }
    block.finish()?;
    Ok((attachment, hint))
}

fn read_source(mut source: Fields, kind: MediaKind) -> Result<Attachment> {
    let plain = |source| Attachment { at: 0, kind, source, media_type: None, name: None, cited: false };
    let attachment = match source.need_string("type")?.as_str() {
        "base64" => {
            let media_type = source.need_string("media_type")?;
            media::of_base64(kind, &media_type, source.need_string("data")?, &source.at("data"))?
        }
        "url" => media::of_url(kind, source.need_string("url")?, &source.at("url"))?,
        "file" => plain(MediaSource::Id(source.need_string("file_id")?)),
        "text" if kind == MediaKind::Document => {
            let media_type = source.string("media_type")?;
            let text = MediaSource::Text(source.need_string("data")?);
            Attachment { media_type, ..plain(text) }
        }
        _ => return Err(source.wrong("type", "must be base64, url or file (or text, for documents)")),
    };
    source.finish()?;
    Ok(attachment)
}

/// The rest of a tool_use block, and its mark.
pub(super) fn tool_use(mut block: Fields) -> Result<(ToolCall, Option<CacheHint>)> {
    let call = ToolCall {
        id: block.need_string("id")?,
        name: block.need_string("name")?,
        arguments: block.need("input")?,
    };
    if !call.arguments.is_object() {
        return Err(block.wrong("input", "must be an object"));
    }
    let hint = cache_hint(&mut block)?;
    if let Some(mut caller) = block.object("caller")? {
        if caller.need_string("type")? != "direct" {
            return Err(caller.wrong("type", "calls by server tools are not offered"));
        }
        caller.finish()?;
    }
    block.finish()?;
    Ok((call, hint))
}

/// An error about a kind of block that is not offered.
pub(super) fn refused(block: &Fields, kind: &str) -> parasol_core::Error {
    let kind: String = kind.chars().take(80).collect();
    let why = match kind.as_str() {
        "search_result" => "send the result's text in a text block, or as a document",
        "image" | "document" => "they belong into messages of the user and results of tools",
        _ => "text, image, document, thinking, tool_use and tool_result blocks are taken",
    };
    block.wrong("type", format_args!("{kind} blocks are not offered here: {why}"))
}
