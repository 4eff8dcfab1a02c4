//! Voices: text to sound. Files of a voice become a [`Speaker`], which reads texts sentence by sentence; what networks compute is left to
//! `hibari` and `vits`, how English is spoken to `english`.

mod english;
mod hibari;
#[cfg(test)]
mod imitating;
mod layers;
mod noise;
mod onnx;
mod reading;
mod sentences;
mod speaker;
mod ssml;
mod vits;

pub use sentences::sentences;
pub use speaker::Speaker;

use parasol_core::{Error, ErrorKind, Result, Voice, VoiceReference};

/// What is made of a text before it sounds, and what sounds.
trait Engine: Send + Sync {
    /// Samples per second.
    fn rate(&self) -> u32;

    /// Its voices, the default first.
    fn voices(&self) -> &[Voice];

    /// Whether a point ends no sentence after this word.
    fn is_title(&self, word: &str) -> bool;

    /// Whether it can say this character, alone or as part of a word.
    fn can_say(&self, character: char) -> bool;

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

    /// Begins to speak with the voice of a sound, which has been checked. May take as long as listening to it does.
    fn begin_as(&self, reference: &VoiceReference, _seed: u64) -> Result<Box<dyn Speaking + '_>> {
        let message = format!("this model does not speak with the voice of a sound ({:?})", reference.name);
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// As [`Engine::begin`] for the first voice with nothing drawn, where it can do without.
    fn begin_quiet(&self) -> Box<dyn Speaking + '_> {
        self.begin(0, 0)
    }
}

/// One text as it is being spoken.
trait Speaking {
    /// The sound of a piece and how many phonemes it has.
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)>;
}
