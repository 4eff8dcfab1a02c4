//! Pictures as files: what a picture is by its first bytes, how large it is, and how its size is asked for. Nothing here decodes one.

use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A picture as a file. Whoever makes one compresses it, and whoever shows one unpacks it: in between nobody needs its pixels.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What they are.
    pub format: PictureFormat,
}

impl Picture {
    /// The picture in these bytes, by what they begin with.
    ///
    /// # Errors
    /// `Corrupt` for what is no PNG, JPEG, WebP or GIF.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        match PictureFormat::of(&bytes) {
            Some(format) => Ok(Self { bytes, format }),
            None => {
                let message =
                    format!("{} bytes are no picture: PNG, JPEG, WebP and GIF are known", bytes.len());
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// Its width and height in pixels, as the file's head tells them; `None` where it does not.
    #[must_use]
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        let told = match self.format {
            PictureFormat::Png => png(&self.bytes),
            PictureFormat::Jpeg => jpeg(&self.bytes),
            PictureFormat::Webp => webp(&self.bytes),
            PictureFormat::Gif => pair(&self.bytes, 6, u16::from_le_bytes),
        };
        told.filter(|(width, height)| *width > 0 && *height > 0)
    }
}

// Without its bytes, which nobody reads in a log.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {} bytes)", self.format.name(), self.bytes.len())
    }
}

/// How a picture is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
}

impl PictureFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Webp, Self::Gif];

    /// What a file is by its first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Some(Self::Gif)
        } else {
            None
        }
    }

    /// Its name, as protocols write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }

    /// The format of this name or file ending, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("jpg") { "jpeg" } else { name };
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
        }
    }
}

/// The size that is wanted of a picture: `1536x1024` in pixels, or `3:2` as a shape. Written and read in these forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PictureSize {
    /// So many pixels.
    Pixels {
        /// From left to right.
        width: u32,
        /// From top to bottom.
        height: u32,
    },
    /// A shape, in tenths: `19.5:9` is 195 to 90.
    Ratio {
        /// Tenths of the width.
        width: u32,
        /// Tenths of the height.
        height: u32,
    },
}

impl PictureSize {
    /// The most pixels of a side.
    pub const LARGEST: u32 = 16_384;

    /// Whether both have the same shape.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        let ((a, b), (c, d)) = (self.sides(), other.sides());
        u64::from(a) * u64::from(d) == u64::from(b) * u64::from(c)
    }

    /// Width and height, in pixels or in tenths of the ratio.
    #[must_use]
    pub fn sides(self) -> (u32, u32) {
        match self {
            Self::Pixels { width, height } | Self::Ratio { width, height } => (width, height),
        }
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = |n: u32| match n % 10 {
            0 => (n / 10).to_string(),
            rest => format!("{}.{rest}", n / 10),
        };
        match self {
            Self::Pixels { width, height } => write!(f, "{width}x{height}"),
            Self::Ratio { width, height } => write!(f, "{}:{}", tenths(*width), tenths(*height)),
        }
    }
}

impl From<PictureSize> for String {
    fn from(size: PictureSize) -> Self {
        size.to_string()
    }
}

impl FromStr for PictureSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let shown: String = text.chars().take(40).collect();
            let message = format!(
                "{shown:?} is no size of a picture: write pixels as 1024x1024 (1 to {}), or a shape as 16:9",
                Self::LARGEST
            );
            Error::new(ErrorKind::InvalidRequest, message)
        };
        if let Some((width, height)) = text.split_once(['x', 'X']) {
            let side = |text: &str| text.parse::<u32>().ok().filter(|n| (1..=Self::LARGEST).contains(n));
            let (width, height) = side(width).zip(side(height)).ok_or_else(wrong)?;
            return Ok(Self::Pixels { width, height });
        }
        let tenths = |text: &str| {
            let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let fits = plain(whole) && whole.len() <= 3 && plain(rest) && rest.len() == 1;
            let tenths = fits.then(|| format!("{whole}{rest}").parse::<u32>().ok()).flatten();
            tenths.filter(|n| *n > 0)
        };
        let (width, height) = text.split_once(':').ok_or_else(wrong)?;
        let (width, height) = tenths(width).zip(tenths(height)).ok_or_else(wrong)?;
        Ok(Self::Ratio { width, height })
    }
}

impl TryFrom<String> for PictureSize {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Two numbers of two bytes that stand behind each other.
fn pair(bytes: &[u8], at: usize, number: impl Fn([u8; 2]) -> u16) -> Option<(u32, u32)> {
    let [a, b, c, d] = *bytes.get(at..at.checked_add(4)?)? else { return None };
    Some((u32::from(number([a, b])), u32::from(number([c, d]))))
}

/// The `IHDR` chunk comes first. Reference: PNG (third edition), 11.2.1.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then(|| side(16).zip(side(20))).flatten()
}

/// The frame header, behind segments that tell their lengths. Reference: ITU-T T.81, B.2.2.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2_usize;
    loop {
        let [0xff, marker] = *bytes.get(at..at.checked_add(2)?)? else { return None };
        match marker {
            // Fill bytes may stand before a marker.
            0xff => at += 1,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                // Length and precision stand before; height comes before width.
                return pair(bytes, at.checked_add(5)?, u16::from_be_bytes).map(|(h, w)| (w, h));
            }
            0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 | 0xda => return None,
            _ => {
                let [a, b] = *bytes.get(at.checked_add(2)?..at.checked_add(4)?)? else { return None };
                at = at.checked_add(2)?.checked_add(usize::from(u16::from_be_bytes([a, b])).max(2))?;
            }
        }
    }
}

/// The three kinds of first chunks. Reference: RFC 9649, 2.5 to 2.7.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        // A key frame of VP8 begins 10 bytes into its chunk; the upper two bits of each number scale.
        b"VP8 " => pair(bytes, 26, u16::from_le_bytes).map(|(w, h)| (w & 0x3fff, h & 0x3fff)),
        // Fourteen bits each, less one, behind a byte of signature.
        b"VP8L" => {
            let bits = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        // Twenty-four bits each, less one.
        b"VP8X" => {
            let [a, b, c, d, e, f] = *bytes.get(24..30)? else { return None };
            let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
            Some((side(a, b, c), side(d, e, f)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn size(bytes: &[u8]) -> Option<(u32, u32)> {
        Picture::new(bytes.to_vec()).unwrap().dimensions()
    }

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x00\0\0\x01\x00\x08\x06\0\0\0";
        assert_eq!(size(png), Some((512, 256)));
        assert_eq!(size(b"GIF89a\x03\0\x02\0"), Some((3, 2)));
        // A comment, a fill byte, the frame.
        let jpeg = b"\xff\xd8\xff\xfe\0\x04hi\xff\xff\xc2\0\x11\x08\x01\x00\x02\x00\x03";
        assert_eq!(size(jpeg), Some((512, 256)));
        assert_eq!(size(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x01\0\xff\0\0"), Some((512, 256)));
        let bits: u32 = 511 | (255 << 14);
        let lossless = [b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".as_slice(), &bits.to_le_bytes()].concat();
        assert_eq!(size(&lossless), Some((512, 256)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x00\x02\x00\x01";
        assert_eq!(size(lossy), Some((512, 256)));
        for none in [&b""[..], b"<html>", b"{\"error\":1}", b"RIFF\0\0\0\0WAVE", b"\x89PNG"] {
            assert_eq!(*Picture::new(none.to_vec()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_picture_that_is_cut_has_no_size() {
        let whole: [&[u8]; 4] = [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x00\0\0\x01\x00",
            b"\xff\xd8\xff\xfe\xff\xff",
            b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x01\0\xff\0\0",
            b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff",
        ];
        for bytes in whole {
            for end in 0..bytes.len() {
                if let Ok(picture) = Picture::new(bytes[..end].to_vec()) {
                    assert_eq!(picture.dimensions(), None, "{end}");
                }
            }
        }
        assert_eq!(size(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\x01"), None, "no width");
    }

    #[test]
    fn sizes_are_read_and_written_alike() {
        for text in ["1024x1024", "3840x2160", "1x16384", "16:9", "19.5:9", "1:1"] {
            assert_eq!(text.parse::<PictureSize>().unwrap().to_string(), text);
        }
        for text in
            ["", "x", "0x1", "16385x1", "-1x2", "1024", "1:0", ":", "1.55:1", "1024x", "99999999999:1", "a:b"]
        {
            assert!(text.parse::<PictureSize>().is_err(), "{text}");
        }
        let of = |text: &str| text.parse::<PictureSize>().unwrap();
        assert!(of("1536x1024").is_like(of("3:2")) && of("39:18").is_like(of("19.5:9")));
        assert!(!of("1024x1536").is_like(of("3:2")));
    }

    #[test]
    fn formats_are_found_by_name_and_ending() {
        assert_eq!(PictureFormat::from_name("JPG"), Some(PictureFormat::Jpeg));
        assert_eq!(PictureFormat::from_name("webp"), Some(PictureFormat::Webp));
        assert_eq!(PictureFormat::from_name("bmp"), None);
    }
}
