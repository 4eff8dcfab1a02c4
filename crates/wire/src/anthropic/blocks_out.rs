//! Content blocks of a request to a provider.

use crate::media::{Content, contents};
use crate::seal;
use parasol_core::{
    Attachment, Error, ErrorKind, MediaKind, MediaSource, Message, Result, SignedPart, Signer,
};
use serde_json::{Value, json};

/// What a message of the user's, the application's or a tool says. An empty one is an empty text.
pub(super) fn user_blocks(message: &Message, path: &str) -> Result<Vec<Value>> {
    let all = contents(message);
    if all.is_empty() {
        return Ok(vec![text("")]);
    }
    let each = all.into_iter().map(|content| match content {
        Content::Text(said) => Ok(text(said)),
        Content::Media(attachment) => media(attachment, path),
    });
    each.collect()
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn media(attachment: &Attachment, path: &str) -> Result<Value> {
    let kind = match attachment.kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        other => {
            let what = format!(
                "{path}.attachments: Anthropic's API takes pictures and documents, and this is {}",
                other.name()
            );
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
    };
    let source = match &attachment.source {
        MediaSource::Url(url) => json!({ "type": "url", "url": url }),
        MediaSource::Base64(data) => {
            let fallback = if kind == "image" { "image/png" } else { "application/pdf" };
            let media_type = attachment.media_type.as_deref().unwrap_or(fallback);
            json!({ "type": "base64", "media_type": media_type, "data": data })
        }
        MediaSource::Text(data) => json!({ "type": "text", "media_type": "text/plain", "data": data }),
        MediaSource::Id(id) => json!({ "type": "file", "file_id": id }),
    };
    let mut block = json!({ "type": kind, "source": source });
    if attachment.kind == MediaKind::Document {
        if let Some(name) = &attachment.name {
            block["title"] = name.as_str().into();
        }
        if attachment.cited {
            block["citations"] = json!({ "enabled": true });
        }
    }
    Ok(block)
}

/// What the assistant said: its sealed thinking first, then its words, then its calls.
pub(super) fn assistant(
    message: &Message,
    path: &str,
    ignored: &mut Vec<(String, String)>,
) -> Result<Vec<Value>> {
    let mut blocks = Vec::new();
    let mut sealed = false;
    for signature in &message.signatures {
        match (&signature.part, signature.by) {
            (SignedPart::Thought(thought), Signer::Anthropic) => {
                sealed = true;
                blocks.push(json!({ "type": "thinking", "thinking": thought, "signature": signature.data }));
            }
            (SignedPart::Hidden, Signer::Anthropic) => {
                sealed = true;
                blocks.push(json!({ "type": "redacted_thinking", "data": seal::written(signature, Signer::Anthropic) }));
            }
            (_, by) => {
                let why = format!("Anthropic's API cannot read a seal of {}", by.name());
                ignored.push((format!("{path}.signatures"), why));
            }
        }
    }
    if message.reasoning.is_some() && !sealed {
        let why = "Anthropic's API takes back only thinking that it has signed".to_owned();
        ignored.push((format!("{path}.reasoning"), why));
    }
    for content in contents(message) {
        blocks.push(match content {
            Content::Text(said) => text(said),
            Content::Media(attachment) => media(attachment, path)?,
        });
    }
    blocks.extend(message.tool_calls.iter().map(
        |call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments }),
    ));
    Ok(blocks)
}
