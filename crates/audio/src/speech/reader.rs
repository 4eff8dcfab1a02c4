//! How English becomes the numbers that Hibari and Kokoro read: the front end, and the alphabet of its phonemes in `vocab.json`.

use super::english::{English, parse_json, read};
use super::sentences;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Compute;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Phonemes that are spoken at once.
const MOST_PHONEMES: usize = 400;

pub(super) struct Reader {
    english: English,
    vocabulary: HashMap<char, usize>,
}

impl Reader {
    /// Reads the tables of the voice in a folder while another thread opens its network.
    ///
    /// # Errors
    /// When a file is missing or damaged; what `network` says.
    pub(super) fn open_beside<N: Send>(
        folder: &Path,
        compute: &Arc<Compute>,
        network: impl FnOnce() -> Result<N> + Send,
    ) -> Result<(Self, N)> {
        let vocabulary: HashMap<char, usize> = parse_json(&read(folder, "vocab.json")?, "vocab.json")?;
        std::thread::scope(|scope| {
            let network = scope.spawn(network);
            let english = English::open(folder, compute);
            let failed = |_| Error::new(ErrorKind::Internal, "the thread that reads a voice panicked");
            let network = network.join().map_err(failed)??;
            Ok((Self { english: english?, vocabulary }, network))
        })
    }

    /// Checks that a network with so many symbols has every phoneme.
    ///
    /// # Errors
    /// `Corrupt` when it has not.
    pub(super) fn check(&self, symbols: usize) -> Result<()> {
        match self.vocabulary.values().find(|id| **id >= symbols) {
            None if symbols > 0 => Ok(()),
            id => {
                let message =
                    format!("vocab.json has phoneme {} and the voice has {symbols}", id.unwrap_or(&0));
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    pub(super) fn is_title(&self, word: &str) -> bool {
        self.english.titles().any(|title| title == word)
    }

    pub(super) fn can_say(&self, character: char) -> bool {
        self.english.can_say(character)
    }

    /// The phonemes of a sentence, in pieces that are spoken at once.
    pub(super) fn phonemes(&self, sentence: &str) -> Vec<String> {
        let said = self.english.say(sentence);
        sentences::divide(&said, MOST_PHONEMES).into_iter().map(str::to_owned).collect()
    }

    /// The numbers of phonemes, with a pause at both ends; `None` when there is nothing between them.
    pub(super) fn ids(&self, phonemes: &str) -> Option<Vec<usize>> {
        let mut ids = vec![0];
        ids.extend(phonemes.chars().filter_map(|c| self.vocabulary.get(&c).copied()));
        ids.push(0);
        (ids.len() > 2).then_some(ids)
    }
}
