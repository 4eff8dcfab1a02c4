//! Attachments as protocols carry them: data URLs and base64, and their places within a message's text.

use crate::fields::invalid;
use parasol_core::{Attachment, MediaKind, MediaSource, Message, Result};

/// A piece of a message's content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Content<'m> {
    /// Text, never empty.
    Text(&'m str),
    /// What stands between texts.
    Media(&'m Attachment),
}

/// The pieces of a message in order. A place that lies beyond the text, or inside a character, is moved to where it can be.
pub(crate) fn contents(message: &Message) -> Vec<Content<'_>> {
    let (text, mut from, mut out) = (message.content.as_str(), 0, Vec::new());
    for attachment in &message.attachments {
        let mut at = attachment.at.clamp(from, text.len());
        while !text.is_char_boundary(at) {
            at += 1;
        }
        // Both are boundaries: `from` was one before.
        out.extend(text.get(from..at).filter(|t| !t.is_empty()).map(Content::Text));
        out.push(Content::Media(attachment));
        from = at;
    }
    out.extend(text.get(from..).filter(|t| !t.is_empty()).map(Content::Text));
    out
}

/// Adds an attachment at the end of what the message says so far.
pub(crate) fn attach(message: &mut Message, attachment: Attachment) {
    message.attachments.push(Attachment { at: message.content.len(), ..attachment });
}

/// Adds text after what the message says so far. Texts are paragraphs; an attachment between them separates enough.
pub(crate) fn append(message: &mut Message, text: &str) {
    let between = message.attachments.last().is_some_and(|last| last.at == message.content.len());
    if !message.content.is_empty() && !text.is_empty() && !between {
        message.content.push('\n');
    }
    message.content.push_str(text);
}

/// An attachment of this kind from base64.
///
/// # Errors
/// `InvalidRequest` naming `path` for what is no base64.
pub(crate) fn of_base64(kind: MediaKind, media_type: &str, data: String, path: &str) -> Result<Attachment> {
    check_base64(&data, path)?;
    Ok(Attachment {
        at: 0,
        kind,
        source: MediaSource::Base64(data),
        media_type: Some(media_type.to_owned()),
        name: None,
        cited: false,
    })
}

/// An attachment whose bytes are at a web address or in a data URL.
///
/// # Errors
/// `InvalidRequest` naming `path` for any other address: a server must not be led to its own files.
pub(crate) fn of_url(kind: MediaKind, url: String, path: &str) -> Result<Attachment> {
    if let Some(rest) = url.strip_prefix("data:") {
        let Some((head, data)) = rest.split_once(',') else {
            return Err(invalid(path, "is a data URL without a comma before its data"));
        };
        let Some(media_type) = head.strip_suffix(";base64") else {
            return Err(invalid(path, "is a data URL whose data is not in base64"));
        };
        return of_base64(kind, media_type, data.to_owned(), path);
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(invalid(path, "must be an address that begins with https:// or http://, or a data: URL"));
    }
    Ok(Attachment { at: 0, kind, source: MediaSource::Url(url), media_type: None, name: None, cited: false })
}

/// Whether a text is base64.
///
/// # Errors
/// `InvalidRequest` naming `path` when it is none.
pub(crate) fn check_base64(data: &str, path: &str) -> Result<()> {
    let body = data.trim_end_matches('=');
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    if data.is_empty()
        || !data.len().is_multiple_of(4)
        || data.len() - body.len() > 2
        || !body.bytes().all(letter)
    {
        return Err(invalid(path, "is no standard base64 (A-Z, a-z, 0-9, +, / and = at the end)"));
    }
    Ok(())
}

/// `data:image/png;base64,…`.
pub(crate) fn data_url(media_type: Option<&str>, data: &str) -> String {
    format!("data:{};base64,{data}", media_type.unwrap_or("application/octet-stream"))
}

/// What a `data:` URL holds, still in base64; `None` for every other address.
pub(crate) fn of_data_url(url: &str) -> Option<&str> {
    Some(url.strip_prefix("data:")?.split_once(";base64,")?.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::Role;

    #[test]
    fn attachments_keep_their_places() {
        let picture = of_url(MediaKind::Image, "https://h/a.png".into(), "p").unwrap();
        let mut message = Message::new(Role::User, "");
        append(&mut message, "é");
        attach(&mut message, picture.clone());
        append(&mut message, "b");
        append(&mut message, "c");
        attach(&mut message, picture.clone());
        assert_eq!(message.content, "éb\nc");
        let [Content::Text("é"), Content::Media(one), Content::Text("b\nc"), Content::Media(two)] =
            contents(&message)[..]
        else {
            panic!("{:?}", contents(&message))
        };
        assert_eq!((one.at, two.at), (2, 5));
        // Places from elsewhere may be anything.
        message.attachments[0].at = 1;
        message.attachments[1].at = 99;
        assert_eq!(contents(&message).len(), 4);
    }

    #[test]
    fn only_the_web_and_data_are_addresses() {
        let of = |url: &str| of_url(MediaKind::Image, url.into(), "image_url.url");
        assert_eq!(of("data:image/png;base64,AAAA").unwrap().media_type.unwrap(), "image/png");
        for bad in
            ["file:///etc/passwd", "data:image/png,AAAA", "data:", "data:image/png;base64,A*==", "x", ""]
        {
            assert!(of(bad).unwrap_err().message().starts_with("image_url.url: "), "{bad}");
        }
    }
}
