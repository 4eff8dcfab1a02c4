//! What a message carries beside its text: pictures, sounds, films and documents.

use serde::{Deserialize, Serialize};

/// A picture, a sound, a film or a document within a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Where it stands in the message's text: the byte before which it comes. Attachments are in the order of their places.
    #[serde(default)]
    pub at: usize,
    /// What it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: MediaSource,
    /// Its media type (`image/png`), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its name, as documents have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether an answer is to cite it by its passages.
    #[serde(default)]
    pub cited: bool,
}

/// What an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// A document: PDF, plain text …
    Document,
}

impl MediaKind {
    /// What a media type is of: `image/png` is a picture, and what is neither picture, sound nor film is a document.
    #[must_use]
    pub fn of(media_type: &str) -> Self {
        match media_type.split('/').next().unwrap_or_default() {
            "image" => Self::Image,
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ => Self::Document,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "a picture",
            Self::Audio => "sound",
            Self::Video => "a film",
            Self::Document => "a document",
        }
    }
}

/// Where the bytes of an attachment are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// At this address, from which the model's provider fetches them.
    Url(String),
    /// Here, in standard base64, which is how every protocol carries them.
    Base64(String),
    /// Here, as plain text.
    Text(String),
    /// With the provider, under the id that it gave to an earlier upload.
    Id(String),
}
