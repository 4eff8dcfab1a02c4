//! Reading sound that a provider sends as it is made: WAV that need not know its length, or plain 16-bit samples. However it is cut,
//! it is the same sound.

use crate::client::Protocol;
use crate::speaking::ELEVENLABS_RATE;
use parasol_core::{Error, ErrorKind, Result};

/// More bytes than this before the samples are no header.
const LONGEST_HEAD: usize = 1 << 20;
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Reads the sound of one answer.
#[derive(Debug)]
pub struct SoundReader {
    /// Bytes that are not a whole sample, or not yet a whole head.
    rest: Vec<u8>,
    form: Option<Form>,
    /// Bytes of samples that are still to come, where the file says how many there are.
    left: Option<u64>,
    /// The beginning has been looked at.
    looked: bool,
}

/// How what is no plain sound begins. Speech begins with next to nothing: no sample of it is as large as two letters.
const NO_SAMPLES: [&[u8]; 5] = [b"data: ", b"event:", b"{\"deta", b"<html>", b"<!DOCT"];

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    rate: u32,
    coding: Coding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Pcm16,
    Float32,
}

impl Coding {
    fn bytes(self) -> usize {
        match self {
            Self::Pcm16 => 2,
            Self::Float32 => 4,
        }
    }
}

impl SoundReader {
    /// For an answer in this protocol, as [`crate::speaking::request`] asks for it.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        let plain = Form { rate: ELEVENLABS_RATE, coding: Coding::Pcm16 };
        let form = (protocol == Protocol::ElevenLabs).then_some(plain);
        Self { rest: Vec::new(), form, left: None, looked: false }
    }

    /// Samples per second, as soon as they are known.
    #[must_use]
    pub fn rate(&self) -> Option<u32> {
        self.form.map(|form| form.rate)
    }

    /// The samples, within ±1, that are complete with `bytes`.
    ///
    /// # Errors
    /// `Network` for what is no WAV file, or one of a kind that nobody asked for.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<f32>> {
        self.rest.extend_from_slice(bytes);
        if self.form.is_some() && !self.looked {
            let Some(first) = self.rest.get(..6) else { return Ok(Vec::new()) };
            if NO_SAMPLES.contains(&first) {
                let shown = String::from_utf8_lossy(first);
                return Err(wrong(&format!(
                    "is no plain sound, which was asked for: it begins with {shown:?}"
                )));
            }
        }
        self.looked = true;
        if self.form.is_none() {
            match head(&self.rest)? {
                None if self.rest.len() > LONGEST_HEAD => {
                    return Err(wrong("begins with more than a megabyte that is no sound"));
                }
                None => return Ok(Vec::new()),
                Some(Head { form, samples_at, length }) => {
                    self.rest.drain(..samples_at);
                    (self.form, self.left) = (Some(form), length);
                }
            }
        }
        let Some(Form { coding, .. }) = self.form else { return Ok(Vec::new()) };
        let mut take = self.rest.len();
        if let Some(left) = self.left {
            // What follows the samples says something about them, and is none.
            take = take.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        take -= take % coding.bytes();
        let samples = decode(coding, self.rest.get(..take).unwrap_or_default());
        self.rest.drain(..take);
        if let Some(left) = &mut self.left {
            *left -= take as u64;
            if *left < coding.bytes() as u64 {
                self.rest.clear();
            }
        }
        Ok(samples)
    }

    /// The answer has ended.
    ///
    /// # Errors
    /// `Network` when that was not the end of the sound, or there was none.
    pub fn finish(&self) -> Result<()> {
        let Some(form) = self.form else { return Err(wrong("is no sound")) };
        if !self.rest.is_empty() || self.left.is_some_and(|left| left >= form.coding.bytes() as u64) {
            return Err(wrong("broke off before its end"));
        }
        Ok(())
    }
}

fn decode(coding: Coding, bytes: &[u8]) -> Vec<f32> {
    match coding {
        Coding::Pcm16 => {
            bytes.as_chunks().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_768.0).collect()
        }
        Coding::Float32 => {
            // What is no number is silence.
            let read = |four: &[u8; 4]| f32::from_le_bytes(*four).clamp(-1.0, 1.0);
            bytes.as_chunks().0.iter().map(read).map(|x| if x.is_nan() { 0.0 } else { x }).collect()
        }
    }
}

struct Head {
    form: Form,
    samples_at: usize,
    /// Of the samples in bytes; `None` where that was not known when the head was written.
    length: Option<u64>,
}

/// The head of a WAV file; `None` while it is not complete.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    for (part, name) in
        [(bytes.get(..bytes.len().min(4)), &b"RIFF"[..]), (bytes.get(8..bytes.len().min(12)), b"WAVE")]
    {
        let part = part.unwrap_or_default();
        if !name.starts_with(part) {
            let shown: String =
                String::from_utf8_lossy(bytes.get(..16).unwrap_or(bytes)).escape_debug().collect();
            return Err(wrong(&format!("is no WAV file, which was asked for: it begins with \"{shown}\"")));
        }
    }
    let (mut at, mut form) = (12usize, None);
    loop {
        let Some(chunk) = bytes.get(at..at.saturating_add(8)) else { return Ok(None) };
        let (name, size) = chunk.split_at(4);
        let size = u32::from_le_bytes(size.try_into().unwrap_or_default());
        let body = at.saturating_add(8);
        let end = body.saturating_add(size as usize);
        match name {
            b"fmt " => {
                if size > 1024 {
                    return Err(wrong("is described by a head that is none"));
                }
                let Some(body) = bytes.get(body..end) else { return Ok(None) };
                form = Some(described(body)?);
            }
            b"data" => {
                let form = form.ok_or_else(|| wrong("does not say what its samples are"))?;
                // Who writes as it speaks does not know the length: nothing, or more than there could be.
                let length = (size != 0 && size < 0x7fff_0000).then_some(u64::from(size));
                return Ok(Some(Head { form, samples_at: body, length }));
            }
            _ if bytes.len() < end => return Ok(None),
            _ => {}
        }
        // Chunks begin at even places.
        at = end.saturating_add(end % 2);
    }
}

fn described(fmt: &[u8]) -> Result<Form> {
    let short = |at: usize| fmt.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
    let long = |at: usize| fmt.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let (Some(kind), Some(channels), Some(rate), Some(bits)) = (short(0), short(2), long(4), short(14))
    else {
        return Err(wrong("is described by a head that is none"));
    };
    // The extensible form has the kind at the beginning of an identifier.
    let kind = if kind == 0xfffe { short(24).unwrap_or(kind) } else { kind };
    let coding = match (kind, bits) {
        (1, 16) => Some(Coding::Pcm16),
        (3, 32) => Some(Coding::Float32),
        _ => None,
    };
    match coding {
        Some(coding) if channels == 1 && RATES.contains(&rate) => Ok(Form { rate, coding }),
        _ => Err(wrong(&format!(
            "has {channels} channels of kind {kind} with {bits} bits and {rate} Hz: one channel of 16 bits is read"
        ))),
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("what the provider sent for a sound {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wav(
        kind: u16,
        channels: u16,
        rate: u32,
        bits: u16,
        extra: &[u8],
        length: u32,
        data: &[u8],
    ) -> Vec<u8> {
        let mut out = [&b"RIFF\xff\xff\xff\xffWAVE"[..], extra, b"fmt \x10\0\0\0"].concat();
        out.extend([kind, channels].map(u16::to_le_bytes).concat());
        out.extend([rate, rate * 2].map(u32::to_le_bytes).concat());
        out.extend([2, bits].map(u16::to_le_bytes).concat());
        out.extend([b"data", &length.to_le_bytes()[..], data].concat());
        out
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Option<u32>, Vec<f32>)> {
        let mut reader = SoundReader::new(Protocol::OpenAi);
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            out.extend(reader.push(piece)?);
        }
        reader.finish()?;
        Ok((reader.rate(), out))
    }

    #[test]
    fn a_sound_is_the_same_however_it_is_cut() {
        let data: Vec<u8> = [0i16, 16_384, -32_768, 1].iter().flat_map(|s| s.to_le_bytes()).collect();
        let samples = [0.0, 0.5, -1.0, 1.0 / 32_768.0];
        let odd = b"LIST\x03\0\0\0abc\0";
        for length in [0, u32::MAX, 8] {
            for extra in [&b""[..], odd] {
                let mut whole = wav(1, 1, 22_050, 16, extra, length, &data);
                if length == 8 {
                    whole.extend_from_slice(b"LIST\x02\0\0\0hi");
                }
                for piece in [1, 2, 3, 7, 1000] {
                    let (rate, read) = read(&whole, piece).unwrap();
                    assert_eq!((rate, read.as_slice()), (Some(22_050), &samples[..]), "{length} {piece}");
                }
            }
        }
        let floats: Vec<u8> = [0.25f32, f32::NAN, 9.0].iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(read(&wav(3, 1, 16_000, 32, b"", 0, &floats), 5).unwrap().1, [0.25, 0.0, 1.0]);
        let mut plain = SoundReader::new(Protocol::ElevenLabs);
        assert_eq!(plain.rate(), Some(24_000));
        let pieces: [&[u8]; 4] = [&[0], &[0x40, 0], &[0xc0, 0, 0, 0], &[0]];
        let read: Vec<f32> = pieces.iter().flat_map(|piece| plain.push(piece).unwrap()).collect();
        assert_eq!(read, [0.5, -0.5, 0.0, 0.0]);
        plain.finish().unwrap();
        plain.push(&[1]).unwrap();
        assert!(plain.finish().unwrap_err().message().contains("broke off"));
    }

    #[test]
    fn what_is_no_sound_is_an_error_and_never_a_panic() {
        for (bytes, part) in [
            (b"<html>busy</html>".to_vec(), "<html>"),
            (b"ID3\x04 an mp3".to_vec(), "no WAV"),
            (b"RIFF\0\0\0\0AVI ".to_vec(), "no WAV"),
            (b"RI".to_vec(), "is no sound"),
            (Vec::new(), "is no sound"),
            (b"RIFF\0\0\0\0WAVEdata\0\0\0\0xx".to_vec(), "does not say"),
            (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff".to_vec(), "head"),
            (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\x01\0".to_vec(), "head"),
            (wav(1, 2, 24_000, 16, b"", 0, &[0; 8]), "2 channels"),
            (wav(1, 1, 24_000, 8, b"", 0, &[0; 8]), "8 bits"),
            (wav(1, 1, 3, 16, b"", 0, &[0; 8]), "3 Hz"),
            (wav(1, 1, 24_000, 16, b"", 100, &[0; 8]), "broke off"),
            (wav(1, 1, 24_000, 16, b"", 0, &[0; 7]), "broke off"),
        ] {
            for piece in [1, 1000] {
                let error = read(&bytes, piece).unwrap_err();
                // What it begins with is told as far as it has come.
                assert!(piece == 1 || error.message().contains(part), "{part}: {error}");
            }
        }
        let mut events = SoundReader::new(Protocol::ElevenLabs);
        assert!(events.push(b"event").unwrap().is_empty());
        assert!(events.push(b": audio").unwrap_err().message().contains("event:"));
        let endless = [b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff".to_vec(), vec![0; 2 << 20]].concat();
        assert!(read(&endless, 1 << 16).unwrap_err().message().contains("megabyte"));
        // Cut anywhere, and any byte another one.
        let whole = wav(1, 1, 24_000, 16, b"LIST\x03\0\0\0abc\0", 8, &[1; 8]);
        for at in 0..whole.len() {
            let _ = read(&whole[..at], 3);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                let _ = read(&broken, 3);
            }
        }
    }
}
