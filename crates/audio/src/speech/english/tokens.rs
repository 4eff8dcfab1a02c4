//! Text to words as the voice's tagger knows them: special cases ("don't", "Mr.", "10am"), then what stands before and behind a
//! word is taken off piece by piece, then what is left is divided at hyphens and the like. The rules are those of spaCy's
//! English tokenizer, for Latin text.

use super::patterns::Pattern;
use parasol_core::Result;
use std::collections::HashMap;

const LETTER: &str = r"[^\W\d_]";
const LOWER: &str = "a-zß-öø-ÿ";
const UPPER: &str = "A-ZÀ-ÖØ-Þ";
const QUOTES: &str = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉";
const PUNCTUATION: &str = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·";
const ICONS: &str = "™®©°§¶†‡•";
const CURRENCY: &str = r"\$|£|€|¥|฿|US\$|C\$|A\$|₽|₹|₩|₪|₺|₴|₦|₫|₱|₲|₵|₸|₼|₾|₿";
const UNITS: &str = "km|km²|km³|m|m²|m³|dm|dm²|dm³|cm|cm²|cm³|mm|mm²|mm³|ha|µm|nm|yd|in|ft|kg|g|mg|µg|t|lb|oz|m/s|km/h\
                     |kmh|mph|hPa|Pa|mbar|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%";

/// Longer pieces than this between spaces are no words: they are divided, so that the work for each stays small.
const LONGEST: usize = 200;

/// Divides text.
pub(super) struct Tokenizer {
    special: HashMap<String, Vec<String>>,
    prefix: Pattern,
    suffix: Pattern,
    infix: Pattern,
    address: Pattern,
}

/// `[...]` of these characters.
fn class(characters: &str) -> String {
    characters.chars().map(|c| fancy_regex::escape(&c.to_string()).into_owned()).collect()
}

impl Tokenizer {
    /// From the text of a voice's `tokenizer_exceptions.json`.
    pub(super) fn new(json: &[u8]) -> Result<Self> {
        let (icons, marks) = (class(ICONS), format!("{}{}", class(PUNCTUATION), class(QUOTES)));
        let one = format!(r"\.\.+|[{marks}]|[{icons}]");
        let prefix = format!(r"^(?:[§%=—–]|\+(?![0-9])|{one}|{CURRENCY})");
        let suffix = format!(
            r"(?:{one}|['’][sS]|[—–]|(?<=[0-9])\+|(?<=°[FfCcKk])\.|(?<=[0-9])(?:{CURRENCY})|(?<=[0-9])(?:{UNITS})|(?<=[0-9{LOWER}%²\-\+{marks}])\.|(?<=[{UPPER}][{UPPER}])\.)$"
        );
        let infix = format!(
            r"\.\.+|…|[{icons}]|(?<=[0-9])[+\-\*^](?=[0-9\-])|(?<=[{LOWER}{quotes}])\.(?=[{UPPER}{quotes}])|(?<={LETTER}),(?={LETTER})|(?<=[^\W_])(?:-|–|—|--|---|——|~)(?={LETTER})|(?<=[^\W_])[:<>=/](?={LETTER})",
            quotes = class(QUOTES),
        );
        let address = r"(?i)^(?:(?:https?|ftp)://|www\.)\S+$|^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$|^(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|ly|ai)(?:/\S*)?$";
        Ok(Self {
            special: super::parse_json(json, "tokenizer_exceptions.json")?,
            prefix: Pattern::new(&prefix)?,
            suffix: Pattern::new(&suffix)?,
            infix: Pattern::new(&infix)?,
            address: Pattern::new(address)?,
        })
    }

    /// Words, each with whether a space follows.
    pub(super) fn run(&self, text: &str) -> Vec<(String, bool)> {
        let mut out = Vec::new();
        for piece in text.split_whitespace() {
            let rest = &mut piece.chars();
            loop {
                let part: String = rest.take(LONGEST).collect();
                if part.is_empty() {
                    break;
                }
                out.extend(self.divide(&part).into_iter().map(|token| (token, false)));
            }
            if let Some((_, space)) = out.last_mut() {
                *space = true;
            }
        }
        // What ends the text is followed by nothing.
        if let Some((_, space)) = out.last_mut().filter(|_| !text.ends_with(char::is_whitespace)) {
            *space = false;
        }
        out
    }

    fn divide(&self, piece: &str) -> Vec<String> {
        if let Some(special) = self.special.get(piece) {
            return special.clone();
        }
        let (mut before, middle, mut behind) = self.peel(piece);
        if let Some(special) = self.special.get(middle) {
            before.extend(special.iter().cloned());
        } else if !middle.is_empty() {
            before.extend(self.inside(middle));
        }
        behind.reverse();
        before.extend(behind);
        if before.len() > 1 { self.rejoin(&before) } else { before }
    }

    /// Takes off what stands before and behind, until nothing does or a special case is left.
    fn peel<'t>(&self, piece: &'t str) -> (Vec<String>, &'t str, Vec<String>) {
        let (mut before, mut behind, mut rest) = (Vec::new(), Vec::new(), piece);
        while !rest.is_empty() && !self.special.contains_key(rest) {
            let start = self.prefix.first(rest).map_or(0, |(_, end)| end);
            if start > 0 && start < rest.len() && self.special.contains_key(&rest[start..]) {
                before.push(rest[..start].to_owned());
                rest = &rest[start..];
                break;
            }
            // The suffix is looked for behind the prefix, and taken off the whole.
            let end = self.suffix.first(&rest[start..]).map_or(0, |(from, to)| to - from);
            if end > 0 && end < rest.len() && self.special.contains_key(&rest[..rest.len() - end]) {
                behind.push(rest[rest.len() - end..].to_owned());
                rest = &rest[..rest.len() - end];
                break;
            }
            if start == 0 && end == 0 {
                break;
            }
            // Both together are never longer than the rest, in which they do not overlap.
            before.extend((start > 0).then(|| rest[..start].to_owned()));
            behind.extend((end > 0).then(|| rest[rest.len() - end..].to_owned()));
            rest = &rest[start..rest.len() - end];
        }
        (before, rest, behind)
    }

    fn inside(&self, middle: &str) -> Vec<String> {
        if self.address.is_in(middle) {
            return vec![middle.to_owned()];
        }
        let (mut out, mut from) = (Vec::new(), 0);
        for found in self.infix.all(middle) {
            let Some(place) = found.get(0).filter(|place| place.start() > 0 && !place.as_str().is_empty())
            else {
                continue;
            };
            if place.start() > from {
                out.push(middle[from..place.start()].to_owned());
            }
            out.push(place.as_str().to_owned());
            from = place.end();
        }
        if from < middle.len() {
            out.push(middle[from..].to_owned());
        }
        out
    }

    /// Pieces that together spell a special case are one again.
    fn rejoin(&self, tokens: &[String]) -> Vec<String> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < tokens.len() {
            let joined = [3, 2].into_iter().find_map(|n| {
                let special = self.special.get(&tokens.get(at..at + n)?.concat())?;
                Some((n, special))
            });
            match joined {
                Some((n, special)) => {
                    out.extend(special.iter().cloned());
                    at += n;
                }
                None => {
                    out.push(tokens[at].clone());
                    at += 1;
                }
            }
        }
        out
    }
}
