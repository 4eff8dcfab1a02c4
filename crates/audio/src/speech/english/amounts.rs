//! Numbers as they are read in sentences: years, ordinals, digits in words, money, decimals.

use super::lexicon::{Context, Lexicon};
use super::numbers;

/// Number words are read as if something followed that is no vowel.
const NEUTRAL: Context = Context { future_vowel: Some(false), future_to: false };

const ORDINALS: [&str; 4] = ["st", "nd", "rd", "th"];
const ENDINGS: [&str; 9] = ["ing", "'d", "ed", "'s", "st", "nd", "rd", "th", "s"];

fn units(currency: char) -> Option<[&'static str; 2]> {
    Some(match currency {
        '$' => ["dollar", "cent"],
        '£' => ["pound", "pence"],
        '€' => ["euro", "cent"],
        _ => return None,
    })
}

/// Whether a currency's amounts are read with its units.
pub(super) fn is_currency(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| chars.next().is_none() && units(*c).is_some())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is a number, perhaps with an ending.
pub(super) fn is_number(word: &str, is_head: bool) -> bool {
    let stem = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    word.contains(|c: char| c.is_ascii_digit())
        && stem
            .char_indices()
            .all(|(i, c)| c.is_ascii_digit() || c == ',' || c == '.' || is_head && i == 0 && c == '-')
}

/// Phonemes of a number's words as they come.
struct Words<'a> {
    lexicon: &'a Lexicon,
    said: Vec<String>,
}

impl Words<'_> {
    fn say(&mut self, word: &str, stress: Option<f32>) {
        self.said.extend(self.lexicon.lookup(word, "", stress, NEUTRAL));
    }

    /// Number words; "and" is not spoken here, "point" without stress.
    fn words(&mut self, words: &str) {
        for word in words.split(|c: char| !c.is_ascii_lowercase()).filter(|w| !w.is_empty() && *w != "and") {
            self.say(word, (word == "point").then_some(-2.0));
        }
    }

    fn cardinal(&mut self, digits: &str) {
        self.words(&numbers::cardinal(digits));
    }

    fn one_by_one(&mut self, digits: &str) {
        digits.chars().for_each(|c| self.words(numbers::digit(c)));
    }
}

impl Lexicon {
    /// The phonemes of a number.
    pub(super) fn number(&self, word: &str, currency: Option<char>, is_head: bool) -> Option<String> {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '\'');
        let ending = &word[stem.len()..];
        let mut words = Words { lexicon: self, said: Vec::new() };
        let number = match stem.strip_prefix('-') {
            Some(rest) => {
                words.say("minus", None);
                rest
            }
            None => stem,
        };
        let units = currency.and_then(units);
        let (points, ordinal) = (number.matches('.').count(), ORDINALS.contains(&ending));
        let plain = number.replace(',', "");
        if digits(number) && ordinal {
            words.words(&numbers::ordinal(number));
        } else if words.said.is_empty() && number.len() == 4 && units.is_none() && digits(number) {
            words.words(&numbers::year(number));
        } else if !is_head && points == 0 {
            self.inside_word(&mut words, &plain);
        } else if points > 1 || !is_head {
            for part in plain.split('.').filter(|part| !part.is_empty()) {
                let long = part.len() != 2 && part.bytes().skip(1).any(|b| b != b'0');
                if part.starts_with('0') || long { words.one_by_one(part) } else { words.cardinal(part) }
            }
        } else if let Some(units) = units.filter(|_| is_amount(number)) {
            self.money(&mut words, &plain, units);
        } else if points == 0 {
            words.words(&if ordinal { numbers::ordinal(&plain) } else { numbers::cardinal(&plain) });
        } else if let Some(fraction) = plain.strip_prefix('.') {
            words.words("point");
            words.one_by_one(fraction);
        } else {
            words.words(&numbers::decimal(&plain));
        }
        let said = words.said.join(" ");
        match ending {
            _ if said.is_empty() => None,
            "s" | "'s" => self.plural(&said),
            "ed" | "'d" => self.past(&said),
            "ing" => self.participle(&said),
            _ => Some(said),
        }
    }

    /// A number after letters, as in "B52": short ones as numbers, three digits as "one oh five", others digit by digit.
    fn inside_word(&self, words: &mut Words<'_>, number: &str) {
        match number.as_bytes() {
            [] => {}
            [b'0', ..] | [_, _, _, _, ..] => words.one_by_one(number),
            [_, second, third] if [*second, *third] != [b'0', b'0'] => {
                words.cardinal(&number[..1]);
                if *second == b'0' {
                    words.say("O", Some(-2.0));
                    words.cardinal(&number[2..]);
                } else {
                    words.cardinal(&number[1..]);
                }
            }
            _ => words.cardinal(number),
        }
    }

    fn money(&self, words: &mut Words<'_>, amount: &str, units: [&str; 2]) {
        let zero = |part: &str| part.bytes().all(|b| b == b'0');
        let mut parts: Vec<_> = amount.split('.').zip(units).collect();
        if let [(whole, _), (rest, _)] = parts[..] {
            if zero(rest) {
                parts.truncate(1);
            } else if zero(whole) {
                parts.remove(0);
            }
        }
        for (i, (part, unit)) in parts.into_iter().enumerate() {
            if i > 0 {
                words.say("and", None);
            }
            words.cardinal(part);
            if part.trim_start_matches('0') == "1" || unit == "pence" {
                words.say(unit, None);
            } else {
                words.said.extend(self.with_s(&format!("{unit}s"), "", None, NEUTRAL));
            }
        }
    }

    /// Phonemes with a currency's name behind.
    pub(super) fn with_currency(&self, phonemes: String, currency: char) -> String {
        let name = units(currency).and_then(|[unit, _]| self.with_s(&format!("{unit}s"), "", None, NEUTRAL));
        name.map_or(phonemes.clone(), |name| format!("{phonemes} {name}"))
    }
}

/// Whether the part behind the point can be cents.
fn is_amount(word: &str) -> bool {
    match word.split_once('.') {
        None => true,
        Some((_, cents)) => !cents.contains('.') && cents.len() < 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_words() {
        for word in ["1", "1,250", "3.14", "1980s", "2nd", "4'd"] {
            assert!(is_number(word, false), "{word}");
        }
        assert!(is_number("-4", true) && !is_number("-4", false));
        for word in ["", "B52", "x", ".,", "1a2"] {
            assert!(!is_number(word, true), "{word}");
        }
    }
}
