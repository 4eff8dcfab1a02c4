//! Whisper's tokens: GPT-2's byte pairs, then marks for languages, tasks and times, whose ids follow from the vocabulary's size.

use super::languages;
use parasol_core::{Error, ErrorKind, Result};
use std::collections::HashMap;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Tokens and their bytes, by id.
pub struct Vocabulary {
    tokens: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, u32>,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vocabulary({} tokens)", self.tokens.len())
    }
}

impl Vocabulary {
    /// From the tokens by id. The first come in the order in which pairs were merged, as GPT-2's do.
    ///
    /// # Errors
    /// `Corrupt` when it lacks a byte.
    pub(crate) fn new(tokens: Vec<Vec<u8>>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in (0..).zip(&tokens) {
            ids.entry(token.clone()).or_insert(id);
        }
        if let Some(byte) = (0..=u8::MAX).find(|byte| !ids.contains_key(&[*byte][..])) {
            let message = format!("the vocabulary has no token for byte {byte}: it is not Whisper's");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Self { tokens, ids })
    }

    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The bytes of text tokens; marks are left out.
    pub(crate) fn bytes(&self, tokens: &[u32], special: &Special) -> Vec<u8> {
        let text = tokens.iter().filter(|token| **token < special.end);
        text.flat_map(|token| self.tokens.get(*token as usize).into_iter().flatten().copied()).collect()
    }

    /// The text of tokens; marks are left out, and what is no UTF-8 becomes U+FFFD.
    pub fn text(&self, tokens: &[u32], special: &Special) -> String {
        String::from_utf8_lossy(&self.bytes(tokens, special)).into_owned()
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        for word in words(text) {
            self.merge(word.as_bytes(), &mut tokens);
        }
        tokens
    }

    /// Joins the pair of neighbours with the lowest id until no pair is a token.
    fn merge(&self, word: &[u8], tokens: &mut Vec<u32>) {
        let mut cuts: Vec<usize> = (0..=word.len()).collect();
        loop {
            let pairs = cuts.windows(3).enumerate();
            let best = pairs.filter_map(|(at, c)| Some((*self.ids.get(&word[c[0]..c[2]])?, at))).min();
            let Some((_, at)) = best else { break };
            cuts.remove(at + 1);
        }
        // Every single byte is a token: `new` has seen to it.
        tokens.extend(cuts.windows(2).filter_map(|c| self.ids.get(&word[c[0]..c[1]])));
    }

    /// Tokens that are no speech (brackets, notes, …), which are never written: see OpenAI's `tokenizer.py`.
    pub(crate) fn no_speech_tokens(&self) -> Vec<u32> {
        let single = "\" # ( ) * + / : ; < = > @ [ \\ ] ^ _ ` { | } ~ 「 」 『 』 << >> <<< >>> -- --- -( -[ (' (\" (( )) \
                      ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪";
        let any = ["♩", "♪", "♫", "♬", "♭", "♮", "♯"];
        let mut found: Vec<u32> =
            [" -", " '"].iter().filter_map(|s| self.encode(s).first().copied()).collect();
        for (symbol, first) in
            single.split(' ').filter(|s| !s.is_empty()).map(|s| (s, false)).chain(any.map(|s| (s, true)))
        {
            for text in [symbol.to_owned(), format!(" {symbol}")] {
                let tokens = self.encode(&text);
                if tokens.len() == 1 || first {
                    found.extend(tokens.first());
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Cuts a text where GPT-2 does: contractions, letters, digits and other signs each with a space before them, spaces.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = word_end(rest);
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

fn word_end(text: &str) -> usize {
    for ending in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"] {
        if text.starts_with(ending) {
            return ending.len();
        }
    }
    let run = |from: usize, is: &dyn Fn(char) -> bool| {
        text[from..].char_indices().find(|(_, c)| !is(*c)).map_or(text.len(), |(at, _)| from + at)
    };
    let other = |c: char| !c.is_whitespace() && !is_letter(c) && !is_number(c);
    let from = usize::from(text.starts_with(' '));
    for is in [&is_letter as &dyn Fn(char) -> bool, &is_number, &other] {
        let end = run(from, is);
        if end > from {
            return end;
        }
    }
    // Spaces: the last one belongs to the word behind them.
    let end = run(0, &char::is_whitespace);
    let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    if end < text.len() && last > 0 { last } else { end.max(1) }
}

fn is_letter(c: char) -> bool {
    use Category::{LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter};
    let kind = get_general_category(c);
    matches!(kind, UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter)
}

fn is_number(c: char) -> bool {
    use Category::{DecimalNumber, LetterNumber, OtherNumber};
    matches!(get_general_category(c), DecimalNumber | LetterNumber | OtherNumber)
}

/// The ids of marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Special {
    /// `<|endoftext|>`: all below are text.
    pub end: u32,
    /// `<|startoftranscript|>`
    pub start: u32,
    /// The first language, and how many there are.
    pub language: u32,
    /// How many languages there are.
    pub languages: u32,
    /// `<|translate|>`
    pub translate: u32,
    /// `<|transcribe|>`
    pub transcribe: u32,
    /// `<|startofprev|>`: what was said before follows.
    pub previous: u32,
    /// `<|nospeech|>`
    pub no_speech: u32,
    /// `<|notimestamps|>`
    pub no_times: u32,
    /// `<|0.00|>`; each 0.02 s has the next.
    pub time: u32,
    /// Tokens in all.
    pub all: u32,
    /// Whether there are languages and tasks to choose from.
    pub multilingual: bool,
}

impl Special {
    /// The marks of a vocabulary of this size, which the configuration's check has bounded.
    pub(crate) fn of(vocabulary: usize) -> Self {
        let all = vocabulary as u32;
        let multilingual = vocabulary >= 51_865;
        let end = if multilingual { 50_257 } else { 50_256 };
        // Everything else is as many in each; what is left are languages.
        let languages = all - 51_765 - u32::from(multilingual);
        let translate = end + 2 + languages;
        Self {
            end,
            start: end + 1,
            language: end + 2,
            languages,
            translate,
            transcribe: translate + 1,
            previous: translate + 3,
            no_speech: translate + 4,
            no_times: translate + 5,
            time: translate + 6,
            all,
            multilingual,
        }
    }

    /// The token of a language, by its number.
    pub(crate) fn language_token(&self, index: usize) -> Option<u32> {
        let index = u32::try_from(index).ok().filter(|index| *index < self.languages)?;
        Some(self.language + index)
    }

    /// The code of a language's token.
    pub(crate) fn language_code(&self, token: u32) -> Option<&'static str> {
        languages::code(token.checked_sub(self.language)? as usize)
    }

    /// Marks that are never written.
    pub(crate) fn never(&self) -> [u32; 6] {
        [self.transcribe, self.translate, self.start, self.previous, self.translate + 2, self.no_speech]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_follow_from_the_size() {
        // Ids as the published models have them.
        let base = Special::of(51_865);
        assert_eq!((base.start, base.translate, base.no_times, base.time), (50_258, 50_358, 50_363, 50_364));
        let english = Special::of(51_864);
        assert_eq!(
            (english.end, english.start, english.no_times, english.time),
            (50_256, 50_257, 50_362, 50_363)
        );
        let large = Special::of(51_866);
        assert_eq!((large.languages, large.transcribe, large.time), (100, 50_360, 50_365));
        assert_eq!(base.language_token(languages::find("German").unwrap()), Some(50_261));
        assert_eq!(base.language_code(50_261), Some("de"));
        assert_eq!(languages::find("en-US"), Some(0));
        assert_eq!(base.language_token(99), None);
    }

    #[test]
    fn text_is_cut_as_gpt_2_cuts_it() {
        assert_eq!(
            words("I'm here,  in 1999!\n\nOk"),
            ["I", "'m", " here", ",", " ", " in", " 1999", "!", "\n", "\n", "Ok"]
        );
        assert_eq!(words("  "), ["  "]);
        assert_eq!(words("für 'alle'"), ["für", " '", "alle", "'"]);
    }

    #[test]
    fn pairs_are_merged_lowest_first() {
        let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
        tokens.extend([b"lo".to_vec(), b"ow".to_vec(), b"low".to_vec()]);
        let vocabulary = Vocabulary::new(tokens).unwrap();
        assert_eq!(vocabulary.encode("low"), [258]);
        assert_eq!(vocabulary.encode("slow"), [u32::from(b's'), 258]);
        assert!(Vocabulary::new(vec![vec![1]]).is_err());
    }
}
