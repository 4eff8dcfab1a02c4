//! Opus packets to samples. Containers are `symphonia`'s, which has no decoder for it.

use opus_decoder::OpusDecoder;
use parasol_core::{Error, ErrorKind, Result};

/// Opus always decodes to this rate here.
pub(super) const RATE: u32 = 48_000;
/// Samples of the longest packet, 120 ms.
const LONGEST: usize = 5_760;

/// Decodes the packets of one stream.
pub(super) struct Opus {
    decoder: OpusDecoder,
    channels: usize,
    /// Samples at the beginning that are the encoder's delay.
    skip: usize,
    pcm: Vec<f32>,
}

impl Opus {
    /// A decoder for a stream with this identification header (RFC 7845, section 5.1), if its container has one.
    pub(super) fn new(header: Option<&[u8]>, channels: usize) -> Result<Self> {
        // "OpusHead", version, channels, pre-skip (2 bytes) …
        let field = |at: usize| header.and_then(|h| h.get(at).copied());
        let stated = field(9).map_or(channels, usize::from);
        let skip = match (field(10), field(11)) {
            (Some(low), Some(high)) => usize::from(u16::from_le_bytes([low, high])),
            _ => 0,
        };
        if !(1..=2).contains(&stated) {
            let message = format!("the Opus stream has {stated} channels: one or two are decoded");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let decoder = OpusDecoder::new(RATE, stated)
            .map_err(|e| Error::new(ErrorKind::Corrupt, format!("the Opus stream cannot be decoded: {e}")))?;
        Ok(Self { decoder, channels: stated, skip, pcm: vec![0.0; LONGEST * stated] })
    }

    /// Channels in what [`Self::decode`] returns.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// The samples of a packet, channel beside channel; `None` for a packet that is damaged.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Option<&[f32]> {
        let count = self.decoder.decode_float(packet, &mut self.pcm, false).ok()?;
        let skipped = self.skip.min(count);
        self.skip -= skipped;
        self.pcm.get(skipped * self.channels..count * self.channels)
    }
}
