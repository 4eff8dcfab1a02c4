//! Samples of one channel to bytes of a file or a stream, as they come.

use super::wav;
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::error::{Verified, Verify};
use flacenc::source::{Fill, FrameBuf};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus_rs::{Application, OpusEncoder};
use parasol_core::{Error, ErrorKind, Result};
use std::str::FromStr;

/// Samples of a FLAC frame.
const FLAC_FRAME: usize = 4096;
/// The smallest frame that FLAC has; a shorter rest is filled with silence.
const FLAC_LEAST: usize = 32;
/// Bits per second of Opus: speech of one channel sounds as it did.
const OPUS_BITS: i32 = 48_000;

/// How sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundFormat {
    /// WAV with 16 bits.
    Wav,
    /// FLAC with 16 bits: nothing is lost.
    Flac,
    /// Opus in Ogg.
    Opus,
    /// 16-bit little-endian numbers and nothing else.
    Pcm,
}

impl SoundFormat {
    /// All, by the name that requests use.
    pub const ALL: [SoundFormat; 4] = [Self::Wav, Self::Flac, Self::Opus, Self::Pcm];

    /// Its name, which is also the usual ending of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Opus => "opus",
            Self::Pcm => "pcm",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::Opus => "audio/ogg; codecs=opus",
            Self::Pcm => "audio/pcm",
        }
    }
}

impl FromStr for SoundFormat {
    type Err = Error;

    /// From a name or a file's ending; those that are known and not written say why.
    fn from_str(name: &str) -> Result<Self> {
        let lower = name.to_lowercase();
        let known = match lower.as_str() {
            "wave" => Some(Self::Wav),
            "ogg" => Some(Self::Opus),
            "raw" => Some(Self::Pcm),
            _ => Self::ALL.into_iter().find(|format| format.name() == lower),
        };
        known.ok_or_else(|| {
            let why = match lower.as_str() {
                "mp3" | "aac" | "m4a" => {
                    format!("{lower} is not written (no encoder has a licence that fits)")
                }
                _ => format!("sound is not written as {name:?}"),
            };
            Error::new(ErrorKind::Unsupported, format!("{why}: use wav, flac, opus or pcm"))
        })
    }
}

/// Turns samples into bytes as they come.
pub struct SoundWriter {
    rate: u32,
    /// Samples that do not fill a frame yet.
    rest: Vec<f32>,
    form: Form,
}

enum Form {
    Wav { begun: bool },
    Pcm,
    Flac(Box<Flac>),
    Opus(Box<Opus>),
}

struct Flac {
    config: Verified<flacenc::config::Encoder>,
    info: StreamInfo,
    frames: usize,
}

struct Opus {
    encoder: OpusEncoder,
    packets: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    /// Samples of a packet, at the sound's rate.
    frame: usize,
    /// The position of the next packet's end, at 48 kHz.
    position: u64,
    /// A packet that waits until it is known whether another follows.
    waiting: Option<(Vec<u8>, u64)>,
    begun: bool,
}

fn refused(what: &str, error: impl std::fmt::Debug) -> Error {
    Error::new(ErrorKind::Internal, format!("the sound cannot be written as {what}: {error:?}"))
}

impl std::fmt::Debug for SoundWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoundWriter({} Hz)", self.rate)
    }
}

impl SoundWriter {
    /// A writer for `rate` samples per second.
    ///
    /// # Errors
    /// `Unsupported` when the format does not have this rate.
    pub fn new(format: SoundFormat, rate: u32) -> Result<Self> {
        let form = match format {
            SoundFormat::Wav => Form::Wav { begun: false },
            SoundFormat::Pcm => Form::Pcm,
            SoundFormat::Flac => Form::Flac(Box::new(Flac::new(rate)?)),
            SoundFormat::Opus => Form::Opus(Box::new(Opus::new(rate)?)),
        };
        Ok(Self { rate, rest: Vec::new(), form })
    }

    /// The bytes that become whole with these samples.
    ///
    /// # Errors
    /// `Internal` when an encoder fails.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>> {
        match &mut self.form {
            Form::Pcm => Ok(wav::pcm(samples)),
            Form::Wav { begun } => {
                let mut bytes = Vec::new();
                if !std::mem::replace(begun, true) {
                    bytes.extend(wav::header(self.rate, None));
                }
                bytes.extend(wav::pcm(samples));
                Ok(bytes)
            }
            Form::Flac(flac) => {
                let mut bytes = flac.begin()?;
                self.rest.extend_from_slice(samples);
                let whole = self.rest.len() / FLAC_FRAME * FLAC_FRAME;
                for frame in self.rest[..whole].chunks_exact(FLAC_FRAME) {
                    bytes.extend(flac.frame(frame)?);
                }
                self.rest.drain(..whole);
                Ok(bytes)
            }
            Form::Opus(opus) => {
                opus.begin(self.rate)?;
                self.rest.extend_from_slice(samples);
                let whole = self.rest.len() / opus.frame * opus.frame;
                for frame in self.rest[..whole].chunks_exact(opus.frame) {
                    opus.packet(frame)?;
                }
                self.rest.drain(..whole);
                Ok(std::mem::take(opus.packets.inner_mut()))
            }
        }
    }

    /// The bytes that remain when nothing follows.
    ///
    /// # Errors
    /// `Internal` when an encoder fails.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        // What has not begun gets its header.
        let mut bytes = self.push(&[])?;
        match &mut self.form {
            Form::Pcm | Form::Wav { .. } => {}
            Form::Flac(flac) if !self.rest.is_empty() => {
                self.rest.resize(self.rest.len().max(FLAC_LEAST), 0.0);
                bytes.extend(flac.frame(&self.rest)?);
            }
            Form::Flac(_) => {}
            Form::Opus(opus) => {
                // One packet of silence more, for what the encoder still holds; the last position cuts it.
                let end = opus.position + opus.at_48k(self.rest.len(), self.rate);
                self.rest.resize(self.rest.len().next_multiple_of(opus.frame) + opus.frame, 0.0);
                for frame in self.rest.chunks_exact(opus.frame) {
                    opus.packet(frame)?;
                }
                opus.end(end)?;
                bytes.append(opus.packets.inner_mut());
            }
        }
        Ok(bytes)
    }
}

/// A part of a FLAC file as bytes.
fn bytes(part: &impl BitRepr) -> Result<Vec<u8>> {
    let mut sink = ByteSink::new();
    part.write(&mut sink).map_err(|e| refused("FLAC", e))?;
    Ok(sink.into_inner())
}

impl Flac {
    fn new(rate: u32) -> Result<Self> {
        let config = flacenc::config::Encoder::default().into_verified();
        let config = config.map_err(|(_, e)| refused("FLAC", e))?;
        let mut info = StreamInfo::new(rate as usize, 1, 16).map_err(|e| refused("FLAC", e))?;
        info.set_block_sizes(FLAC_FRAME, FLAC_FRAME).map_err(|e| refused("FLAC", e))?;
        Ok(Self { config, info, frames: 0 })
    }

    /// The header, before the first frame: without a length, which is not known yet.
    fn begin(&mut self) -> Result<Vec<u8>> {
        if self.frames > 0 {
            return Ok(Vec::new());
        }
        self.frames = 1;
        bytes(&Stream::with_stream_info(self.info.clone()))
    }

    fn frame(&mut self, samples: &[f32]) -> Result<Vec<u8>> {
        let mut buffer = FrameBuf::with_size(1, samples.len()).map_err(|e| refused("FLAC", e))?;
        let whole: Vec<i32> = wav::pcm(samples)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| i32::from(i16::from_le_bytes(*bytes)))
            .collect();
        buffer.fill_interleaved(&whole).map_err(|e| refused("FLAC", e))?;
        // Frames count from 0; `begin` has made it 1.
        let frame = flacenc::encode_fixed_size_frame(&self.config, &buffer, self.frames - 1, &self.info);
        self.frames += 1;
        bytes(&frame.map_err(|e| refused("FLAC", e))?)
    }
}

impl Opus {
    fn new(rate: u32) -> Result<Self> {
        let signed = i32::try_from(rate).unwrap_or(0);
        let mut encoder = OpusEncoder::new(signed, 1, Application::Audio).map_err(|_| {
            let message = format!(
                "Opus has no rate of {rate} Hz (8, 12, 16, 24 and 48 kHz are there): use flac or wav"
            );
            Error::new(ErrorKind::Unsupported, message)
        })?;
        encoder.bitrate_bps = OPUS_BITS;
        Ok(Self {
            encoder,
            packets: PacketWriter::new(Vec::new()),
            serial: 1,
            frame: rate as usize / 50,
            position: 0,
            waiting: None,
            begun: false,
        })
    }

    fn at_48k(&self, samples: usize, rate: u32) -> u64 {
        samples as u64 * 48_000 / u64::from(rate.max(1))
    }

    /// The two headers (RFC 7845).
    fn begin(&mut self, rate: u32) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        // The encoder looks ahead 6.5 ms, which players skip.
        let skip = 312u16;
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend(skip.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend([0, 0, 0]);
        let vendor = b"parasol";
        let mut tags = b"OpusTags".to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend(0u32.to_le_bytes());
        self.position = u64::from(skip);
        for header in [head, tags] {
            self.packets
                .write_packet(header, self.serial, PacketWriteEndInfo::EndPage, 0)
                .map_err(|e| refused("Opus", e))?;
        }
        Ok(())
    }

    fn packet(&mut self, samples: &[f32]) -> Result<()> {
        let mut bytes = vec![0; 1500];
        let length = self.encoder.encode(samples, self.frame, &mut bytes).map_err(|e| refused("Opus", e))?;
        bytes.truncate(length);
        // 20 ms
        self.position += 960;
        let now = (bytes, self.position - 312);
        if let Some((bytes, position)) = self.waiting.replace(now) {
            // A page for every packet: what is streamed arrives at once.
            self.packets
                .write_packet(bytes, self.serial, PacketWriteEndInfo::EndPage, position)
                .map_err(|e| refused("Opus", e))?;
        }
        Ok(())
    }

    fn end(&mut self, position: u64) -> Result<()> {
        let Some((bytes, _)) = self.waiting.take() else { return Ok(()) };
        self.packets
            .write_packet(bytes, self.serial, PacketWriteEndInfo::EndStream, position)
            .map_err(|e| refused("Opus", e))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tone(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.05).sin() * 0.5).collect()
    }

    fn written(format: SoundFormat, pieces: &[&[f32]]) -> Vec<u8> {
        let mut writer = SoundWriter::new(format, 24_000).unwrap();
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(writer.push(piece).unwrap());
        }
        bytes.extend(writer.finish().unwrap());
        bytes
    }

    #[test]
    fn pieces_make_the_same_file_however_they_are_cut() {
        let sound = tone(30_001);
        for format in SoundFormat::ALL {
            let whole = written(format, &[&sound]);
            assert_eq!(
                whole,
                written(format, &[&sound[..7], &sound[7..20_000], &sound[20_000..]]),
                "{format:?}"
            );
            let first: &[u8] = match format {
                SoundFormat::Wav => b"RIFF",
                SoundFormat::Flac => b"fLaC",
                SoundFormat::Opus => b"OggS",
                SoundFormat::Pcm => b"",
            };
            assert!(whole.starts_with(first) && whole.len() > 1000, "{format:?}");
            // Nothing at all is a file as well.
            assert!(written(format, &[]).starts_with(first));
        }
        assert_eq!(written(SoundFormat::Pcm, &[&sound]).len(), 60_002);
    }

    #[test]
    fn formats_have_names_and_others_are_refused_by_name() {
        for format in SoundFormat::ALL {
            assert_eq!(format.name().parse::<SoundFormat>().unwrap(), format);
        }
        assert_eq!("OGG".parse::<SoundFormat>().unwrap(), SoundFormat::Opus);
        let error = "mp3".parse::<SoundFormat>().unwrap_err();
        assert!(error.message().contains("mp3") && error.message().contains("flac"), "{error}");
        assert!(SoundWriter::new(SoundFormat::Opus, 22_050).is_err());
    }
}
