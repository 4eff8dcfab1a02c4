//! Voices: text to sound. Files of a voice become a [`Speaker`], which reads texts sentence by sentence; what networks compute is left to
//! `hibari`, `kokoro`, `pocket` and `vits`, how English is spoken to `english`.

mod english;
mod hibari;
#[cfg(test)]
mod imitating;
mod kokoro;
mod layers;
mod noise;
mod onnx;
mod pocket;
mod reader;
mod reading;
mod sentences;
mod speaker;
mod ssml;
mod upsample;
mod vits;

pub use sentences::sentences;
pub use speaker::Speaker;

use parasol_core::{Error, ErrorKind, Result, Voice, VoiceReference};
use std::ops::{ControlFlow, Range};

/// What is made of a text before it sounds, and what sounds.
trait Engine: Send + Sync {
    /// Samples per second.
    fn rate(&self) -> u32;

    /// Its voices, the default first.
    fn voices(&self) -> &[Voice];

    /// The number in [`Engine::voices`] of the one that a name means.
    fn find(&self, name: &str) -> Option<usize> {
        Voice::named(self.voices(), name)
    }

    /// Whether a point ends no sentence after this word.
    fn is_title(&self, word: &str) -> bool;

    /// Whether it can say this character, alone or as part of a word.
    fn can_say(&self, character: char) -> bool;

    /// The places of a text that are spoken one after the other: its sentences.
    fn places(&self, text: &str) -> Result<Vec<Range<usize>>> {
        Ok(sentences(text, &|word| self.is_title(word)))
    }

    /// Whether it speaks at its own pace only.
    fn has_one_pace(&self) -> bool {
        false
    }

    /// The phonemes of a sentence, in pieces that are spoken at once; none when nothing in it is spoken.
    fn phonemes(&self, sentence: &str) -> Result<Vec<String>>;

    /// Whether `[word](/phonemes/)` in a text says how it is spoken.
    fn takes_phonemes(&self) -> bool {
        false
    }

    /// Begins to speak with the voice of this number in [`Engine::voices`]: what is drawn comes from the seed.
    fn begin(&self, voice: usize, seed: u64) -> Box<dyn Speaking + '_>;

    /// Whether [`Engine::begin_as`] speaks.
    fn imitates(&self) -> bool {
        false
    }

    /// Begins to speak with the voice of a sound, which has been checked. May take as long as listening to it does, and ends soon
    /// with `Cancelled` when nobody `waits` for it any more.
    fn begin_as(
        &self,
        reference: &VoiceReference,
        _seed: u64,
        _waits: &dyn Fn() -> bool,
    ) -> Result<Box<dyn Speaking + '_>> {
        let message = format!("this model does not speak with the voice of a sound ({:?})", reference.name);
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// As [`Engine::begin`] with nothing drawn, where it can do without.
    fn begin_quiet(&self, voice: usize) -> Box<dyn Speaking + '_> {
        self.begin(voice, 0)
    }
}

/// One text as it is being spoken.
trait Speaking {
    /// The sound of a piece and how many phonemes it has.
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)>;

    /// The same in portions, each as soon as it is made, until `out` breaks off; tells how many phonemes there were.
    fn stream(
        &mut self,
        phonemes: &str,
        speed: f32,
        out: &mut dyn FnMut(Vec<f32>) -> ControlFlow<()>,
    ) -> Result<usize> {
        let (samples, count) = self.sound(phonemes, speed)?;
        if !samples.is_empty() {
            // Nothing is left to be made: whether to go on is the caller's question.
            let _ = out(samples);
        }
        Ok(count)
    }
}
