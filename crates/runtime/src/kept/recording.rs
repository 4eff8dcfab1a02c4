//! The recording of a voice: sound files of any kind become some seconds of one channel, which are kept as WAV.

use super::refused;
use parasol_audio::sound::{at_rate, from_bytes, wav};
use parasol_core::{Error, ErrorKind, Result, SoundStream, VoiceReference};
use sha2::{Digest, Sha256};

/// The largest file that is taken, in bytes: a minute of anything is smaller.
pub const MOST_BYTES: usize = 64 << 20;
/// Rates above this are brought down to it: nothing that imitates hears more.
const HIGHEST: u32 = 48_000;

/// A recording that has been read and can be the sound of a voice.
pub(super) struct Recording {
    sound: VoiceReference,
    /// SHA-256 of the files, one after the other, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Recording {
    /// Reads the files; the rate of the first is that of the recording.
    pub(super) fn read(name: &str, files: Vec<Vec<u8>>) -> Result<Self> {
        if files.is_empty() {
            return Err(refused(format!("there is no recording of the voice {name}: send a sound file")));
        }
        let mut digest = Sha256::new();
        let mut sound = nothing_of(name);
        for file in files {
            if file.is_empty() {
                return Err(refused(format!("the recording of the voice {name} is an empty file")));
            }
            if file.len() > MOST_BYTES {
                let message =
                    format!("the recording has {} bytes: {MOST_BYTES} are taken at most", file.len());
                return Err(refused(message));
            }
            digest.update(&file);
            append(&mut sound, from_bytes(file).map_err(of_sender)?)?;
        }
        sound.check()?;
        let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { sound, sha256 })
    }

    /// What was kept of one.
    pub(super) fn kept(name: &str, bytes: Vec<u8>) -> Result<VoiceReference> {
        let mut sound = nothing_of(name);
        append(&mut sound, from_bytes(bytes)?)?;
        sound.check()?;
        Ok(sound)
    }

    /// How long it lasts.
    pub(super) fn seconds(&self) -> f64 {
        self.sound.seconds()
    }

    /// The form in which it is kept.
    pub(super) fn wav(&self) -> Vec<u8> {
        wav::encode(self.sound.rate, &self.sound.samples)
    }
}

/// A voice of which nothing has been read yet.
fn nothing_of(name: &str) -> VoiceReference {
    VoiceReference { name: name.to_owned(), samples: Vec::new(), rate: 0, transcript: None }
}

/// A damaged file is the request's fault, and no damage here.
fn of_sender(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Unsupported => {
            refused(format!("the recording cannot be read: {error}"))
        }
        _ => error,
    }
}

/// Appends a file's sound. No more than may be kept is ever in memory.
fn append(all: &mut VoiceReference, file: SoundStream) -> Result<()> {
    let rate = if all.rate == 0 { file.rate().min(HIGHEST) } else { all.rate };
    let most = VoiceReference::LONGEST;
    let long = |seconds: f64| {
        let least = VoiceReference::SHORTEST;
        let name = &all.name;
        refused(format!(
            "the recording of the voice {name} lasts {seconds:.0} s or more: {least} to {most} s are taken, so cut it"
        ))
    };
    // A length in a header may be wrong; one that is too long is still no recording for this.
    if let Some(seconds) = file.seconds().filter(|seconds| *seconds > most) {
        return Err(long(seconds));
    }
    let limit = (most * f64::from(rate)) as usize;
    let mut samples = Vec::new();
    for piece in at_rate(file, rate).map_err(of_sender)? {
        samples.extend(piece.map_err(of_sender)?);
        // Resampling may round up by a sample.
        if all.samples.len() + samples.len() > limit + 1 {
            return Err(long(most));
        }
    }
    all.samples.append(&mut samples);
    all.samples.truncate(limit);
    all.rate = rate;
    Ok(())
}
