//! Sound as samples: reading files of the usual kinds ([`open`], [`read`]), changing rates ([`Resampler`]), writing
//! WAV ([`wav`]), FLAC and Opus ([`SoundWriter`]). What is said in it is left to `transcription`.

mod cut;
mod encode;
mod lengths;
mod opus;
mod read;
mod resample;
pub mod wav;

pub use cut::{Lengths, cut};
pub use encode::{SoundFormat, SoundWriter};
pub use read::{from_bytes, open, read};
pub use resample::Resampler;

use parasol_core::{Error, ErrorKind, Result, SoundStream};

/// Lowest and highest rates that are taken, in samples a second.
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Samples beyond this are no sound, whoever wrote them.
const LOUDEST: f32 = 1e4;

/// The same sound at `rate` samples a second.
///
/// # Errors
/// `InvalidRequest` for a rate outside [`RATES`].
pub fn at_rate(sound: SoundStream, rate: u32) -> Result<SoundStream> {
    if sound.rate() == rate {
        return Ok(sound);
    }
    let seconds = sound.seconds();
    let mut resampler = Resampler::new(sound.rate(), rate)?;
    let (mut sound, mut ended) = (sound, false);
    let pieces = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut out = Vec::new();
        match sound.next() {
            Some(Ok(piece)) => resampler.push(&piece, &mut out),
            Some(Err(error)) => {
                ended = true;
                return Some(Err(error));
            }
            None => {
                ended = true;
                resampler.finish(&mut out);
            }
        }
        Some(Ok(out))
    });
    Ok(SoundStream::new(rate, seconds, pieces))
}

/// Checks the rate of something that came from outside.
pub(crate) fn check_rate(rate: u32) -> Result<()> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    let message = format!(
        "the sound has {rate} samples a second: rates from {} to {} Hz are taken",
        RATES.start(),
        RATES.end()
    );
    Err(Error::new(ErrorKind::Corrupt, message))
}

/// Checks that samples are numbers that a sound may have; `first` is the number of the first one.
pub(crate) fn check_samples(samples: &[f32], first: u64) -> Result<()> {
    match samples.iter().position(|x| x.is_nan() || x.abs() > LOUDEST) {
        None => Ok(()),
        Some(at) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "sample {} of the sound is {}: samples are numbers between −1 and 1; the file is damaged or no sound",
                first + at as u64,
                samples[at]
            ),
        )),
    }
}
