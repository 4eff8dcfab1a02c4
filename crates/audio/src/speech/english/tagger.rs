//! Parts of speech (the tags of the Penn Treebank) by an averaged perceptron (Collins, 2002): most words have one tag wherever they
//! stand; for the others the features of the word and its neighbours are weighed.

use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

#[derive(Deserialize)]
struct Raw {
    tags: Vec<String>,
    tagdict: HashMap<String, String>,
    #[serde(default)]
    vocab: Option<HashSet<String>>,
    weights: HashMap<String, HashMap<String, f64>>,
}

/// A trained tagger.
pub(super) struct Tagger {
    tags: Vec<String>,
    known: HashMap<String, usize>,
    vocabulary: Option<HashSet<String>>,
    weights: HashMap<String, Vec<(usize, f64)>>,
}

impl Tagger {
    /// From the text of a voice's `tagger.json`.
    pub(super) fn new(json: &[u8]) -> Result<Self> {
        let mut raw: Raw = super::parse_json(json, "tagger.json")?;
        // Of equal scores the later name wins.
        raw.tags.sort();
        let index: HashMap<&str, usize> =
            raw.tags.iter().enumerate().map(|(i, tag)| (tag.as_str(), i)).collect();
        let find = |tag: &str| {
            let unknown = || Error::new(ErrorKind::Corrupt, format!("the voice's tagger has no tag {tag:?}"));
            index.get(tag).copied().ok_or_else(unknown)
        };
        let known =
            raw.tagdict.iter().map(|(word, tag)| Ok((word.clone(), find(tag)?))).collect::<Result<_>>()?;
        let mut weights = HashMap::with_capacity(raw.weights.len());
        for (feature, by_tag) in raw.weights {
            let by_tag = by_tag.iter().map(|(tag, w)| Ok((find(tag)?, *w))).collect::<Result<Vec<_>>>()?;
            weights.insert(feature, by_tag);
        }
        Ok(Self { known, vocabulary: raw.vocab, weights, tags: raw.tags })
    }

    /// The tag of each word of a sentence.
    pub(super) fn run(&self, words: &[&str]) -> Vec<&str> {
        let mut context = vec!["-START2-".to_owned(), "-START-".to_owned()];
        context.extend(words.iter().map(|word| {
            let normal = normal(word);
            match &self.vocabulary {
                Some(known) if !known.contains(&normal) => format!("<{}>", shape(word)),
                _ => normal,
            }
        }));
        context.extend(["-END-".to_owned(), "-END2-".to_owned()]);
        let (mut before, mut last) = ("-START2-", "-START-");
        let mut tags = Vec::with_capacity(words.len());
        for (i, word) in words.iter().enumerate() {
            let tag = match self.known.get(*word) {
                Some(tag) => self.tags[*tag].as_str(),
                None => self.weigh(i, word, &context, last, before),
            };
            tags.push(tag);
            (before, last) = (last, tag);
        }
        tags
    }

    fn weigh(&self, i: usize, word: &str, context: &[String], last: &str, before: &str) -> &str {
        // The word itself stands at i + 2; two more stand on both sides.
        let around = |offset: usize| context[i + offset].as_str();
        let first = word.chars().next().map_or(String::new(), String::from);
        let features = [
            "b".to_owned(),
            format!("s3={}", ending(word)),
            format!("p1={first}"),
            format!("w={}", around(2)),
            format!("sh={}", shape(word)),
            if i == 0 { "i0" } else { "i+" }.to_owned(),
            format!("t-1={last}"),
            format!("t-2={before}"),
            format!("t-12={last},{before}"),
            format!("w-1={}", around(1)),
            format!("s3-1={}", ending(around(1))),
            format!("w-2={}", around(0)),
            format!("w+1={}", around(3)),
            format!("s3+1={}", ending(around(3))),
            format!("w+2={}", around(4)),
        ];
        let mut scores = vec![0.0; self.tags.len()];
        let mut weighed = false;
        for (tag, weight) in features.iter().filter_map(|feature| self.weights.get(feature)).flatten() {
            scores[*tag] += weight;
            weighed = true;
        }
        let best =
            (0..scores.len()).fold(0, |best, tag| if scores[tag] >= scores[best] { tag } else { best });
        if weighed { &self.tags[best] } else { "NN" }
    }
}

/// The last three characters.
fn ending(word: &str) -> &str {
    word.char_indices().nth_back(2).map_or(word, |(at, _)| &word[at..])
}

fn normal(word: &str) -> String {
    let digits = word.chars().all(char::is_numeric);
    match word {
        _ if word.contains('-') && !word.starts_with('-') => "!HYPHEN".to_owned(),
        _ if digits && word.chars().count() == 4 => "!YEAR".to_owned(),
        _ if word.starts_with(char::is_numeric) => "!DIGITS".to_owned(),
        _ => word.to_lowercase(),
    }
}

fn shape(word: &str) -> String {
    if word.chars().all(char::is_alphabetic) {
        let mut rest = word.chars();
        let first_upper = rest.next().is_some_and(char::is_uppercase);
        let lower = |c: char| !c.is_uppercase();
        return match first_upper {
            _ if word.chars().all(char::is_lowercase) => "x",
            _ if word.chars().all(char::is_uppercase) => match word.chars().count() {
                1 => "X1",
                _ => "XX",
            },
            true if rest.all(lower) => "Xx",
            _ => "xX",
        }
        .to_owned();
    }
    if word.chars().all(char::is_numeric) {
        return "d".to_owned();
    }
    let kind = |c: char| match c {
        _ if c.is_numeric() => 'd',
        _ if c.is_alphabetic() => 'x',
        _ => c,
    };
    word.chars().take(4).map(kind).collect()
}
