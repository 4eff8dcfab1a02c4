//! How one word is spoken where it stands: small words that depend on what follows, the dictionaries, and endings of words that they
//! have. The rules are those by which the voice's training text was read (misaki 0.9.4).

use super::dictionary::{Dictionary, Entry};
use super::patterns::Pattern;
use super::stress::{self, PRIMARY, SECONDARY};
use parasol_core::Result;
use unicode_normalization::UnicodeNormalization;

/// Vowels after which American English flaps a t.
const FLAPPING: &str = "AIOWYiuæɑəɛɪɹʊʌ";

/// What is known of the words that follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// Whether the next sound is a vowel; `None` before a pause.
    pub(super) future_vowel: Option<bool>,
    /// Whether the next word is "to".
    pub(super) future_to: bool,
}

/// What stands behind the last word: a pause.
pub(super) const CONTEXT_START: Context = Context { future_vowel: None, future_to: false };

/// A word to be spoken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken<'a> {
    pub(super) text: &'a str,
    pub(super) tag: &'a str,
    pub(super) currency: Option<char>,
    pub(super) is_head: bool,
}

/// Dictionaries and rules of one accent.
pub(super) struct Lexicon {
    gold: Dictionary,
    silver: Dictionary,
    doubled: Pattern,
    versus: Pattern,
}

/// The tag's kind, by which some entries are told apart.
fn parent(tag: &str) -> &str {
    match tag {
        _ if tag.starts_with("VB") => "VERB",
        _ if tag.starts_with("NN") => "NOUN",
        _ if tag.starts_with("ADV") || tag.starts_with("RB") => "ADV",
        _ if tag.starts_with("ADJ") || tag.starts_with("JJ") => "ADJ",
        _ => tag,
    }
}

fn is_upper(word: &str) -> bool {
    word == word.to_uppercase()
}

fn is_lower(word: &str) -> bool {
    word == word.to_lowercase()
}

fn alphabetic(word: &str) -> bool {
    !word.is_empty() && word.chars().all(char::is_alphabetic)
}

/// The word without its first character.
fn tail(word: &str) -> &str {
    word.char_indices().nth(1).map_or("", |(at, _)| &word[at..])
}

/// The name that a sign is read by.
pub(super) fn sign(word: &str) -> Option<&'static str> {
    Some(match word {
        "%" => "percent",
        "&" => "and",
        "+" => "plus",
        "@" => "at",
        _ => return None,
    })
}

impl Lexicon {
    pub(super) fn new(gold: Dictionary, silver: Dictionary) -> Result<Self> {
        Ok(Self {
            gold,
            silver,
            doubled: Pattern::new(r"([bcdgklmnprstvxz])\1ing$|cking$")?,
            versus: Pattern::new(r"(?i)^vs\.?$")?,
        })
    }

    /// The phonemes of a word or number; `None` when the rules end here.
    pub(super) fn say(&self, spoken: Spoken<'_>, context: Context) -> Option<String> {
        let word = spoken.text.replace(['‘', '’'], "'");
        let word: String = word.nfkc().map(decimal_digit).collect();
        let stress = match &word {
            word if is_lower(word) => None,
            word if is_upper(word) => Some(2.0),
            _ => Some(0.5),
        };
        if let Some(phonemes) = self.word(&word, spoken.tag, stress, context) {
            return Some(match spoken.currency {
                Some(currency) => self.with_currency(phonemes, currency),
                None => phonemes,
            });
        }
        if super::amounts::is_number(&word, spoken.is_head) {
            return self.number(&word, spoken.currency, spoken.is_head);
        }
        None
    }

    fn word(&self, word: &str, tag: &str, stress: Option<f32>, context: Context) -> Option<String> {
        if let Some(special) = self.special(word, tag, stress, context) {
            return Some(special);
        }
        let lower = word.to_lowercase();
        let word = if self.small_will_do(word, &lower, tag, stress, context) { &lower } else { word };
        if self.knows(word) {
            return self.lookup(word, tag, stress, context);
        }
        if let Some(stem) = word.strip_suffix("s'").map(|stem| format!("{stem}'s"))
            && self.knows(&stem)
        {
            return self.lookup(&stem, tag, stress, context);
        }
        if let Some(stem) = word.strip_suffix('\'').filter(|stem| self.knows(stem)) {
            return self.lookup(stem, tag, stress, context);
        }
        self.with_s(word, tag, stress, context)
            .or_else(|| self.with_ed(word, tag, stress, context))
            .or_else(|| self.with_ing(word, tag, Some(stress.unwrap_or(0.5)), context))
    }

    /// Whether a word with capitals that has no entry is the same word in small letters.
    fn small_will_do(
        &self,
        word: &str,
        lower: &str,
        tag: &str,
        stress: Option<f32>,
        context: Context,
    ) -> bool {
        let length = word.chars().count();
        length > 1
            && word != lower
            && alphabetic(&word.replace('\'', ""))
            && (tag != "NNP" || length > 7)
            && !self.gold.has(word)
            && !self.silver.has(word)
            && (is_upper(word) || is_lower(tail(word)))
            && (self.gold.has(lower)
                || self.silver.has(lower)
                || self.with_s(lower, tag, stress, context).is_some()
                || self.with_ed(lower, tag, stress, context).is_some()
                || self.with_ing(lower, tag, stress, context).is_some())
    }

    /// Words that depend on more than their tag.
    fn special(&self, word: &str, tag: &str, stress: Option<f32>, context: Context) -> Option<String> {
        let vowel = context.future_vowel;
        let said = |phonemes: &str| Some(phonemes.to_owned());
        match word {
            "." if tag == "ADD" => return self.lookup("dot", "", Some(-0.5), context),
            "/" if tag == "ADD" => return self.lookup("slash", "", Some(-0.5), context),
            _ => {}
        }
        if let Some(name) = sign(word) {
            return self.lookup(name, "", None, context);
        }
        let dotted = word.trim_matches('.').contains('.') && alphabetic(&word.replace('.', ""));
        if dotted && word.split('.').all(|part| part.chars().count() < 3) {
            return self.spelt(word);
        }
        match word {
            "a" | "A" => said(if tag == "DT" { "ɐ" } else { "ˈA" }),
            "am" | "Am" | "AM" if tag.starts_with("NN") => self.spelt(word),
            "am" | "Am" | "AM" if vowel.is_none() || word != "am" || stress.is_some_and(|s| s > 0.0) => {
                self.gold.plain("am").map(str::to_owned)
            }
            "am" => said("ɐm"),
            "AN" if tag.starts_with("NN") => self.spelt(word),
            "an" | "An" | "AN" => said("ɐn"),
            "I" if tag == "PRP" => said("ˌI"),
            "by" | "By" | "BY" if parent(tag) == "ADV" => said("bˈI"),
            "TO" if tag != "TO" && tag != "IN" => None,
            "to" | "To" | "TO" => match vowel {
                None => self.gold.plain("to").map(str::to_owned),
                Some(false) => said("tə"),
                Some(true) => said("tʊ"),
            },
            "IN" if tag == "NNP" => None,
            "in" | "In" | "IN" => said(if vowel.is_none() || tag != "IN" { "ˈɪn" } else { "ɪn" }),
            "THE" if tag != "DT" => None,
            "the" | "The" | "THE" => said(if vowel == Some(true) { "ði" } else { "ðə" }),
            _ if tag == "IN" && self.versus.is_in(word) => self.lookup("versus", "", None, context),
            "used" | "Used" | "USED" => {
                let past = matches!(tag, "VBD" | "JJ") && context.future_to;
                let entry = self.gold.get("used")?;
                entry.of(if past { "VBD" } else { "DEFAULT" }).flatten().map(str::to_owned)
            }
            _ => None,
        }
    }

    fn knows(&self, word: &str) -> bool {
        if self.gold.has(word) || sign(word).is_some() || self.silver.has(word) {
            return true;
        }
        if !alphabetic(word) || !word.is_ascii() {
            return false;
        }
        word.len() == 1 || is_upper(word) && self.gold.has(&word.to_lowercase()) || is_upper(tail(word))
    }

    /// What the dictionaries say, or the letters' names.
    pub(super) fn lookup(
        &self,
        word: &str,
        tag: &str,
        stress: Option<f32>,
        context: Context,
    ) -> Option<String> {
        let lower;
        let (mut word, mut name) = (word, false);
        if is_upper(word) && !self.gold.has(word) {
            lower = word.to_lowercase();
            (word, name) = (&lower, tag == "NNP");
        }
        let entry = self.gold.get(word).or_else(|| if name { None } else { self.silver.get(word) });
        let phonemes = match entry {
            None => None,
            Some(Entry::One(phonemes)) => Some(&**phonemes),
            Some(entry) => {
                let paused = context.future_vowel.is_none().then(|| entry.of("None")).flatten();
                let chosen = paused.or_else(|| entry.of(tag)).or_else(|| entry.of(parent(tag)));
                chosen.or_else(|| entry.of("DEFAULT")).flatten()
            }
        };
        if phonemes.is_none_or(|phonemes| name && !phonemes.contains(PRIMARY))
            && let Some(spelt) = self.spelt(word)
        {
            return Some(spelt);
        }
        phonemes.map(|phonemes| stress::apply(phonemes, stress))
    }

    /// The names of the letters, the last one stressed.
    fn spelt(&self, word: &str) -> Option<String> {
        let mut names = String::new();
        for letter in word.chars().filter(|c| c.is_alphabetic()) {
            names += self.gold.plain(&letter.to_uppercase().collect::<String>())?;
        }
        let names = stress::apply(&names, Some(0.0));
        Some(match names.rsplit_once(SECONDARY) {
            Some((before, last)) => format!("{before}{PRIMARY}{last}"),
            None => names,
        })
    }

    /// The plural, possessive or third person of phonemes.
    pub(super) fn plural(&self, stem: &str) -> Option<String> {
        let last = stem.chars().last()?;
        Some(match last {
            _ if "ptkfθ".contains(last) => format!("{stem}s"),
            _ if "szʃʒʧʤ".contains(last) => format!("{stem}ᵻz"),
            _ => format!("{stem}z"),
        })
    }

    pub(super) fn with_s(
        &self,
        word: &str,
        tag: &str,
        stress: Option<f32>,
        context: Context,
    ) -> Option<String> {
        let long = |n: usize| word.chars().count() > n;
        let cut = |ending: &str| word.strip_suffix(ending).map(str::to_owned);
        if !long(2) || !word.ends_with('s') {
            return None;
        }
        let candidates = [
            cut("s").filter(|_| !word.ends_with("ss")),
            cut("'s").or_else(|| cut("es").filter(|_| long(4) && !word.ends_with("ies"))),
            cut("ies").filter(|_| long(4)).map(|stem| stem + "y"),
        ];
        let stem = candidates.into_iter().flatten().find(|stem| self.knows(stem))?;
        self.plural(&self.lookup(&stem, tag, stress, context)?)
    }

    /// The past of phonemes.
    pub(super) fn past(&self, stem: &str) -> Option<String> {
        let mut chars = stem.chars();
        let (last, before) = (chars.next_back()?, chars.next_back());
        Some(match last {
            _ if "pkfθʃsʧ".contains(last) => format!("{stem}t"),
            'd' => format!("{stem}ᵻd"),
            't' if before.is_none() => format!("{stem}ɪd"),
            't' if before.is_some_and(|c| FLAPPING.contains(c)) => format!("{}ɾᵻd", &stem[..stem.len() - 1]),
            't' => format!("{stem}ᵻd"),
            _ => format!("{stem}d"),
        })
    }

    fn with_ed(&self, word: &str, tag: &str, stress: Option<f32>, context: Context) -> Option<String> {
        let long = |n: usize| word.chars().count() > n;
        if !long(3) || !word.ends_with('d') {
            return None;
        }
        let candidates = [
            word.strip_suffix('d').filter(|_| !word.ends_with("dd")),
            word.strip_suffix("ed").filter(|_| long(4) && !word.ends_with("eed")),
        ];
        let stem = candidates.into_iter().flatten().find(|stem| self.knows(stem))?;
        self.past(&self.lookup(stem, tag, stress, context)?)
    }

    /// The participle of phonemes.
    pub(super) fn participle(&self, stem: &str) -> Option<String> {
        let mut chars = stem.chars();
        let (last, before) = (chars.next_back()?, chars.next_back());
        let flaps = last == 't' && before.is_some_and(|c| FLAPPING.contains(c));
        Some(if flaps { format!("{}ɾɪŋ", &stem[..stem.len() - 1]) } else { format!("{stem}ɪŋ") })
    }

    fn with_ing(&self, word: &str, tag: &str, stress: Option<f32>, context: Context) -> Option<String> {
        let long = |n: usize| word.chars().count() > n;
        let stem = word.strip_suffix("ing").filter(|_| long(4))?;
        let halved = || {
            let doubled = long(5) && self.doubled.is_in(word);
            let (end, _) = stem.char_indices().next_back()?;
            doubled.then(|| stem[..end].to_owned())
        };
        let candidates = [Some(stem.to_owned()).filter(|_| long(5)), Some(format!("{stem}e")), halved()];
        let stem = candidates.into_iter().flatten().find(|stem| self.knows(stem))?;
        self.participle(&self.lookup(&stem, tag, stress, context)?)
    }
}

/// A decimal digit of any script as the ASCII one.
pub(super) fn decimal_digit(c: char) -> char {
    /// The zeros of scripts whose digits compatibility leaves as they are.
    const ZEROS: [u32; 20] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0,
        0xf20, 0x1040, 0x17e0, 0x1810, 0x1946, 0xa620,
    ];
    let at = u32::from(c);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&at));
    zero.and_then(|zero| char::from_digit(at - zero, 10)).unwrap_or(c)
}
