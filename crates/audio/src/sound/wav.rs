//! Writing WAV: 16-bit PCM, one channel, the form that everything plays.

/// A header for `samples` samples, `rate` a second; `None` for a stream whose length is not known.
pub fn header(rate: u32, samples: Option<usize>) -> [u8; 44] {
    // Longer than the format can say, or not known: the largest number, which readers take for "until the end".
    let bytes = samples.and_then(|n| u32::try_from(n.checked_mul(2)?).ok()).unwrap_or(u32::MAX - 36);
    let mut header = [0; 44];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&bytes.saturating_add(36).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    // PCM, one channel.
    put(&1u16.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&rate.to_le_bytes());
    put(&rate.saturating_mul(2).to_le_bytes());
    put(&2u16.to_le_bytes());
    put(&16u16.to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    header
}

/// Samples within −1 ..= 1 as 16-bit little-endian PCM; louder ones are clipped.
pub fn pcm(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| ((x.clamp(-1.0, 1.0) * 32767.0).round() as i16).to_le_bytes()).collect()
}

/// A whole file.
pub fn encode(rate: u32, samples: &[f32]) -> Vec<u8> {
    [&header(rate, Some(samples.len()))[..], &pcm(samples)].concat()
}
