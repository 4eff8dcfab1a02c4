//! A voice's alphabet: phonemes, or the letters of a text, to the numbers that its network reads.

use super::config::Config;
use parasol_core::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use unicode_normalization::UnicodeNormalization;

/// Numbers that one phoneme may have: known voices give each one.
const MOST_IDS: usize = 8;
/// Characters of the longest phoneme that is looked for; known ones have two. Others than those that are joined are never met.
const LONGEST: usize = 8;

/// What is before the first phoneme, after each, and after the last.
const BEGINNING: &str = "^";
const BLANK: &str = "_";
const END: &str = "$";

pub(super) struct Alphabet {
    ids: HashMap<String, Vec<usize>>,
    /// What a phoneme becomes before it is looked up.
    becomes: HashMap<char, String>,
    /// Phonemes that are written as several characters and read as one.
    joined: HashSet<String>,
}

impl Alphabet {
    /// The alphabet of a network with so many symbols.
    ///
    /// # Errors
    /// `Corrupt` when it has numbers that the network has not, or joins what has no number.
    pub(super) fn open(config: &Config, symbols: usize) -> Result<Self> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, message));
        if config.phoneme_id_map.values().flatten().any(|id| *id >= symbols) {
            return corrupt(
                "the voice has phonemes in its alphabet that its network does not know".to_owned(),
            );
        }
        let long = |all: &[usize]| all.len() > MOST_IDS;
        if config.phoneme_id_map.values().any(|ids| long(ids)) {
            return corrupt(format!("the voice has phonemes of more than {MOST_IDS} numbers"));
        }
        // A phoneme without numbers is one that the voice does not have.
        let ids = config.phoneme_id_map.iter().filter(|(_, ids)| !ids.is_empty());
        let ids = ids.map(|(phoneme, ids)| (phoneme.clone(), ids.clone())).collect();
        let mut it = Self { ids, becomes: HashMap::new(), joined: HashSet::new() };
        for (from, to) in config.phoneme_map.iter().flatten() {
            let mut chars = from.chars();
            let (Some(c), None) = (chars.next(), chars.next()) else {
                return corrupt(format!("the voice replaces {from:?}, which is not one phoneme"));
            };
            if to.len() > MOST_IDS || to.iter().any(|part| part.chars().count() > LONGEST) {
                return corrupt(format!("the voice replaces {from:?} by more than {MOST_IDS} phonemes"));
            }
            it.becomes.insert(c, to.concat());
        }
        for parts in config.vowel_clusters.iter().flatten() {
            let whole = parts.concat();
            if whole.chars().count() > LONGEST || !it.ids.contains_key(&whole) {
                return corrupt(format!("the voice joins {whole:?}, which its alphabet does not have"));
            }
            it.joined.insert(whole);
        }
        Ok(it)
    }

    /// The numbers of phonemes, each followed by a blank, between marks of beginning and end, and how many phonemes there were.
    pub(super) fn numbers(&self, phonemes: &str) -> (Vec<usize>, usize) {
        // Accents are characters of their own, which the alphabet has as one each.
        let chars = phonemes.nfd().flat_map(|c| match self.becomes.get(&c) {
            Some(to) => to.chars().collect::<Vec<_>>(),
            None => vec![c],
        });
        let chars: Vec<char> = chars.collect();
        let of = |phoneme: &str| self.ids.get(phoneme).map_or(&[][..], Vec::as_slice);
        let mut ids = [of(BEGINNING), of(BLANK)].concat();
        let (mut at, mut count) = (0, 0);
        while at < chars.len() {
            let (phoneme, length) = self.next(&chars[at..]);
            at += length;
            let found = of(&phoneme);
            if !found.is_empty() {
                ids.extend(found);
                ids.extend(of(BLANK));
                count += 1;
            }
        }
        ids.extend(of(END));
        (ids, count)
    }

    /// The first phoneme of some characters and how many of them it has: the longest that is joined, else one.
    fn next(&self, chars: &[char]) -> (String, usize) {
        let longest = if self.joined.is_empty() { 1 } else { LONGEST.min(chars.len()) };
        let joined = (2..=longest).rev().map(|n| (chars[..n].iter().collect::<String>(), n));
        let mut joined = joined.filter(|(whole, _)| self.joined.contains(whole));
        joined.next().unwrap_or_else(|| (chars.iter().take(1).collect(), 1))
    }

    /// The letters of a text as phonemes of a voice that takes those: each as it stands, or small.
    pub(super) fn letters(&self, text: &str) -> String {
        let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
        spaced.nfd().flat_map(|c| self.letter(c)).collect()
    }

    /// Whether it has a letter, or all that the letter is made of.
    pub(super) fn has_letter(&self, letter: char) -> bool {
        std::iter::once(letter).nfd().all(|c| !self.letter(c).is_empty())
    }

    /// One letter as the alphabet has it; nothing where it has none.
    fn letter(&self, c: char) -> Vec<char> {
        let has = |c: &char| self.ids.contains_key(c.encode_utf8(&mut [0; 4]) as &str);
        match has(&c) {
            true => vec![c],
            // What small letters are made of may be several: İ is i and its dot.
            false => c.to_lowercase().nfd().filter(has).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(more: &str) -> Result<Alphabet> {
        let json = format!(
            r#"{{"audio":{{"sample_rate":16000}},"phoneme_id_map":{{"_":[0],"^":[1],"$":[2],"a":[3],"ɪ":[4],"aɪ":[5],"́":[6],"b":[]}}{more}}}"#
        );
        Alphabet::open(&serde_json::from_str(&json).unwrap(), 7)
    }

    #[test]
    fn phonemes_become_numbers_with_blanks_between() {
        let plain = open("").unwrap();
        assert_eq!(plain.numbers("abɪ?"), (vec![1, 0, 3, 0, 4, 0, 2], 2));
        assert_eq!(plain.numbers("á").0, [1, 0, 3, 0, 6, 0, 2], "an accent is a phoneme");
        assert_eq!(plain.numbers("aɪ").0, [1, 0, 3, 0, 4, 0, 2], "two, though the alphabet has both as one");
        assert_eq!(plain.numbers(""), (vec![1, 0, 2], 0));
    }

    #[test]
    fn what_is_joined_is_one_phoneme_and_what_is_replaced_another() {
        let joined = open(r#","vowel_clusters":[["a","ɪ"]]"#).unwrap();
        assert_eq!(joined.numbers("aɪaɪɪ"), (vec![1, 0, 5, 0, 5, 0, 4, 0, 2], 3));
        let replaced = open(r#","phoneme_map":{"c":["a","ɪ"],"a":["ɪ"]}"#).unwrap();
        assert_eq!(replaced.numbers("ca"), (vec![1, 0, 3, 0, 4, 0, 4, 0, 2], 3));
    }

    #[test]
    fn letters_are_said_as_they_stand_or_small() {
        let it = open("").unwrap();
        assert_eq!(it.letters("Aa\u{301} xÁ\n ɪ"), "aa\u{301}a\u{301}ɪ");
        assert!(it.has_letter('A') && it.has_letter('Á') && !it.has_letter('x') && !it.has_letter('é'));
    }

    #[test]
    fn alphabets_that_no_network_has_are_refused() {
        for (more, part) in [
            (r#","vowel_clusters":[["a","a"]]"#, "joins \"aa\""),
            (r#","vowel_clusters":[["aaaaaaaaaaaaaaaaaaaa"]]"#, "joins"),
            (r#","phoneme_map":{"ab":["a"]}"#, "replaces \"ab\""),
            (r#","phoneme_map":{"a":["a","a","a","a","a","a","a","a","a"]}"#, "replaces"),
            (r#","phoneme_map":{"a":["aaaaaaaaaaaaa"]}"#, "replaces"),
        ] {
            let error = open(more).err().unwrap();
            assert!(error.message().contains(part), "{error}");
        }
    }
}
