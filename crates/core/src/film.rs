//! Films: a text, and perhaps the picture that it begins with, in; a film out.

use crate::{Error, ErrorKind, EventStream, Money, PictureFormat, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Anything that makes films.
pub trait Film: Send + Sync {
    /// Makes a film. One that others make is a job of theirs, which goes on without whoever reads this stream, and beyond the end of this
    /// process: `Started` names it. Here, and only here, dropping the stream ends the looking and not the work.
    ///
    /// # Errors
    /// `InvalidRequest` for values out of range; `Unsupported`, naming what the model cannot do.
    fn film(&self, request: FilmRequest) -> Result<EventStream<FilmEvent>>;
}

/// A request for a film.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilmRequest {
    /// What is to be seen, and heard where the model makes sound.
    pub prompt: String,
    /// What is not to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The picture that it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame: Option<FirstFrame>,
    /// Width and height; `None` is the model's own.
    pub size: Option<FilmSize>,
    /// How long it lasts, in seconds; `None` is the model's own.
    pub seconds: Option<u32>,
    /// What is drawn is drawn from here, so that the same request gives a similar film; `None` leaves it to the model.
    pub seed: Option<u64>,
    /// Who asks.
    pub client: String,
}

impl FilmRequest {
    /// The longest film that can be asked for, in seconds.
    pub const LONGEST: u32 = 600;
    /// The longest prompt, in bytes.
    pub const LONGEST_PROMPT: usize = 32 << 10;

    /// Whether it says something, and its numbers are within their ranges.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field and its range.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        if self.prompt.trim().is_empty() {
            return refuse("prompt: there is no text that says what is to be seen".to_owned());
        }
        for (name, text) in
            [("prompt", Some(&self.prompt)), ("negative_prompt", self.negative_prompt.as_ref())]
        {
            if let Some(text) = text.filter(|text| text.len() > Self::LONGEST_PROMPT) {
                let most = Self::LONGEST_PROMPT;
                return refuse(format!("{name}: has {} bytes: {most} are taken at most", text.len()));
            }
        }
        if let Some(seconds) = self.seconds.filter(|n| !(1..=Self::LONGEST).contains(n)) {
            return refuse(format!("seconds: is {seconds} and must be between 1 and {}", Self::LONGEST));
        }
        self.first_frame.as_ref().map_or(Ok(()), FirstFrame::check)
    }
}

/// The picture that a film begins with: a whole PNG, JPEG or WebP file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstFrame {
    /// The file.
    pub bytes: Vec<u8>,
}

impl FirstFrame {
    /// The largest that is taken, in bytes.
    pub const LARGEST: usize = 16 << 20;

    /// What it is, by its first bytes; `None` for what is none of the three.
    #[must_use]
    pub fn media_type(&self) -> Option<&'static str> {
        let format = PictureFormat::of(&self.bytes).filter(|format| *format != PictureFormat::Gif);
        format.map(PictureFormat::media_type)
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        if self.bytes.len() > Self::LARGEST {
            let (have, most) = (self.bytes.len(), Self::LARGEST);
            return refuse(format!("first_frame: has {have} bytes: {most} are taken at most"));
        }
        if self.media_type().is_none() {
            return refuse("first_frame: is no PNG, JPEG or WebP file, by its first bytes".to_owned());
        }
        Ok(())
    }
}

// Without its bytes, which nobody reads in a log.
impl fmt::Debug for FirstFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirstFrame({} bytes)", self.bytes.len())
    }
}

/// Width and height of a film, in pixels. Written and read as `1280x720`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilmSize {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FilmSize {
    /// Pixels of an edge that can be asked for.
    pub const EDGES: std::ops::RangeInclusive<u32> = 16..=8192;
}

impl fmt::Display for FilmSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for FilmSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let edge = |text: &str| text.parse().ok().filter(|edge| Self::EDGES.contains(edge));
        let read = text.split_once(['x', 'X', ':', '×']);
        let read = read.and_then(|(width, height)| Some(Self { width: edge(width)?, height: edge(height)? }));
        read.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let (least, most) = (Self::EDGES.start(), Self::EDGES.end());
            let message = format!(
                "size: {shown:?} is no width and height such as 1280x720, each from {least} to {most} pixels"
            );
            Error::new(ErrorKind::InvalidRequest, message)
        })
    }
}

impl Serialize for FilmSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FilmSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|e: Error| serde::de::Error::custom(e.message()))
    }
}

/// One event of a film, in order: `Started`, any number of `Queued` and `Step`, one `Ready`, its `Piece`s, one `Finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum FilmEvent {
    /// The request was accepted.
    Started {
        /// Name of the model that makes it.
        model: String,
        /// What the job is called, by which it is found again, also after the end of this process; `None` where the film is made within
        /// this process.
        job: Option<String>,
        /// How long the film is to be, in seconds.
        seconds: u32,
        /// Its width and height.
        size: FilmSize,
    },
    /// It waits for its turn.
    Queued,
    /// So much of it is made.
    Step {
        /// Steps that are done.
        done: u32,
        /// Steps in all.
        total: u32,
    },
    /// It is made: a file of this kind and size follows in pieces.
    Ready {
        /// Its media type, such as `video/mp4`.
        media_type: String,
        /// How many bytes it has.
        bytes: u64,
    },
    /// The next piece of the file.
    Piece {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The file is complete.
    Finished {
        /// What it took.
        usage: FilmUsage,
        /// How long it took.
        timings: FilmTimings,
    },
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FilmUsage {
    /// How long the film is, in seconds.
    pub seconds: u32,
    /// Its width and height.
    pub size: FilmSize,
    /// What it costs, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FilmTimings {
    /// From the request until everything was made.
    pub total: Duration,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, width, height) in [("1280x720", 1280, 720), ("720:1280", 720, 1280), ("16X8192", 16, 8192)]
        {
            let size: FilmSize = text.parse().unwrap();
            assert_eq!((size.width, size.height), (width, height));
            assert_eq!(size.to_string(), format!("{width}x{height}"));
            let json = serde_json::to_string(&size).unwrap();
            assert_eq!(serde_json::from_str::<FilmSize>(&json).unwrap(), size);
        }
        for wrong in
            ["", "x", "1280", "1280x", "15x720", "1280x8193", "-1x720", "1280x720x3", "4294967296x1", "é"]
        {
            let error = wrong.parse::<FilmSize>().unwrap_err();
            assert!(error.message().starts_with("size: ") && error.message().contains("1280x720"), "{error}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let asked = || FilmRequest { prompt: "A cat.".into(), ..FilmRequest::default() };
        let frame = |bytes: &[u8]| Some(FirstFrame { bytes: bytes.to_vec() });
        asked().check().unwrap();
        FilmRequest { first_frame: frame(b"\x89PNG\r\n\x1a\n"), seconds: Some(600), ..asked() }
            .check()
            .unwrap();
        let long = "x".repeat(FilmRequest::LONGEST_PROMPT + 1);
        for (request, field) in [
            (FilmRequest { prompt: " \n".into(), ..asked() }, "prompt: "),
            (FilmRequest { prompt: long.clone(), ..asked() }, "prompt: has 32769"),
            (FilmRequest { negative_prompt: Some(long), ..asked() }, "negative_prompt: "),
            (FilmRequest { seconds: Some(0), ..asked() }, "seconds: is 0"),
            (FilmRequest { seconds: Some(601), ..asked() }, "seconds: is 601"),
            (FilmRequest { first_frame: frame(b"GIF89a"), ..asked() }, "first_frame: "),
            (FilmRequest { first_frame: frame(b""), ..asked() }, "first_frame: "),
        ] {
            let error = request.check().unwrap_err();
            assert!(error.message().starts_with(field), "{error}");
        }
    }

    #[test]
    fn frames_are_told_by_their_first_bytes_and_shown_without_them() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"GIF89a", None),
        ] {
            let frame = FirstFrame { bytes: bytes.to_vec() };
            assert_eq!(frame.media_type(), kind);
            assert_eq!(format!("{frame:?}"), format!("FirstFrame({} bytes)", bytes.len()));
        }
    }
}
