//! Before words are told apart: times, dates, units, abbreviations, currencies, symbols and mixtures of letters and digits are
//! written as they are read. Plain numbers stay: the lexicon reads them, since how depends on the words around.

use super::numbers::{cardinal, ordinal};
use super::patterns::{Found, Pattern, alternatives};
use parasol_core::Result;
use serde::Deserialize;
use serde_json::Map;

const NUMBER: &str = r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?";
const ROMAN: &str = r"((?=[IVXLC])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))";

/// The voice's tables, whose order counts.
#[derive(Deserialize)]
struct Tables {
    months: Map<String, serde_json::Value>,
    titles: Map<String, serde_json::Value>,
    abbreviations: Map<String, serde_json::Value>,
    units: Map<String, serde_json::Value>,
    symbols: Map<String, serde_json::Value>,
    currency: Map<String, serde_json::Value>,
    roman_cardinal: Vec<String>,
    roman_ordinal: Vec<String>,
}

/// Reads what is written short.
pub(super) struct Normaliser {
    tables: Tables,
    space: Pattern,
    time: Pattern,
    date_iso: Pattern,
    date: Pattern,
    big_money: Pattern,
    cents: Pattern,
    currency: Pattern,
    degrees: Pattern,
    unit: Pattern,
    month_day: Pattern,
    day_month: Pattern,
    title: Pattern,
    abbreviation: Pattern,
    number_sign: Pattern,
    hash: Pattern,
    roman_cardinal: Pattern,
    roman_ordinal: Pattern,
    phone: Pattern,
    fraction: Pattern,
    range: Pattern,
    plus: Pattern,
    symbols: Vec<(String, String, Pattern)>,
    space_before: Pattern,
}

fn keys(map: &Map<String, serde_json::Value>) -> impl Iterator<Item = &str> {
    map.keys().map(String::as_str)
}

fn said<'a>(map: &'a Map<String, serde_json::Value>, key: &str) -> &'a str {
    map.get(key).and_then(|v| v.as_str()).unwrap_or_default()
}

/// One or many of something: the table has both words.
fn counted<'a>(map: &'a Map<String, serde_json::Value>, key: &str, number: &str) -> &'a str {
    let one = matches!(number.replace(',', "").as_str(), "1" | "1.0" | "-1");
    map.get(key).and_then(|words| words.get(usize::from(!one))?.as_str()).unwrap_or_default()
}

impl Normaliser {
    /// From the text of a voice's `normalize.json`.
    pub(super) fn new(json: &[u8]) -> Result<Self> {
        let tables: Tables = super::parse_json(json, "normalize.json")?;
        let p = |pattern: &str| Pattern::new(pattern);
        let capital = |word: &str| {
            let mut chars = word.chars();
            chars
                .next()
                .map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
        };
        let short: Vec<String> = keys(&tables.months).map(capital).chain(["Sept".to_owned()]).collect();
        let long = tables.months.values().filter_map(|name| name.as_str());
        let months = alternatives(long.chain(short.iter().map(String::as_str)));
        let big = "hundred|thousand|million|billion|trillion|[kKmMbB]\\b";
        let roman = |words: &[String]| {
            let words = alternatives(words.iter().map(String::as_str));
            p(&format!(r"\b({words}) {ROMAN}\b(?![.'’]\w)"))
        };
        let mut symbols = Vec::new();
        for (symbol, word) in &tables.symbols {
            let escaped = fancy_regex::escape(symbol);
            let pattern = match "=<>~".contains(symbol.as_str()) {
                true => format!(r"(?<=\S) ?{escaped} ?(?=\S)"),
                false => escaped.into_owned(),
            };
            let word = word.as_str().unwrap_or_default();
            let word = if word.is_empty() { " ".to_owned() } else { format!(" {word} ") };
            symbols.push((symbol.clone(), word, p(&pattern)?));
        }
        Ok(Self {
            space: p(r"\s+")?,
            time: p(
                r"\b([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s?([AaPp])\.?[Mm]\.?(?![A-Za-z]))?(?!\d)",
            )?,
            date_iso: p(r"\b([0-9]{4})-([0-9]{2})-([0-9]{2})\b")?,
            date: p(r"\b([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})\b")?,
            big_money: p(&format!(r"([$£€])({NUMBER})\s?({big})"))?,
            cents: p(&format!(r"(?<![\w.])({NUMBER})\s?¢"))?,
            currency: p(&format!(r"(?<![\w])([¥₹₩]|Rs\.?|USD|EUR|GBP)\s?({NUMBER})(?:\s?({big}))?"))?,
            degrees: p(&format!(r"(?<![\w.])(-?{NUMBER})\s?°\s?([CF])?(?![\w])"))?,
            unit: p(&format!(r"(?<![\w.])(-?{NUMBER})\s?({})(?![\w])", alternatives(keys(&tables.units))))?,
            month_day: p(&format!(
                r"\b({months})\.? ([0-9]{{1,2}})(?:st|nd|rd|th)?\b(?![\d:%])(,? [0-9]{{4}}\b)?"
            ))?,
            day_month: p(&format!(r"\b(the )?([0-9]{{1,2}}) (?:of )?({months})\b\.?"))?,
            title: p(&format!(r"\b({})\.? (?=[A-Z])", alternatives(keys(&tables.titles))))?,
            abbreviation: p(&format!(r"(?<![\w.])({})(?![\w])", alternatives(keys(&tables.abbreviations))))?,
            number_sign: p(r"\b(No|Nos)\. ?(?=\d)")?,
            hash: p(r"(?<![\w&])#(?=\d)")?,
            roman_cardinal: roman(&tables.roman_cardinal)?,
            roman_ordinal: roman(&tables.roman_ordinal)?,
            phone: p(r"(?<![\w.\-])(?:[0-9]{3}-)?[0-9]{3}-[0-9]{4}(?![\w.\-])")?,
            fraction: p(r"(?<![\w./])([0-9]{1,2})/([0-9]{1,2})(?![\w./])")?,
            range: p(r"(?<![\w.\-])([0-9]{1,4})\s?[-–]\s?([0-9]{1,4})(?![\w.\-%])")?,
            plus: p(r"(?<![\w+])\+(?=\d)")?,
            symbols,
            space_before: p(r" +([,.;:!?])")?,
            tables,
        })
    }

    /// Words after which a point ends no sentence, such as "Dr".
    pub(super) fn titles(&self) -> impl Iterator<Item = &str> {
        keys(&self.tables.titles)
    }

    /// Whether a sign is read, or heard as a pause.
    pub(super) fn knows(&self, sign: char) -> bool {
        "$£€¥₹₩‒―–—…‘’“”«»¿¡™®".contains(sign)
            || self.tables.symbols.contains_key(sign.encode_utf8(&mut [0; 4]) as &str)
    }

    /// The text as it is read, on one line.
    pub(super) fn run(&self, text: &str) -> String {
        let text = self.space.replace(text, |_| " ".to_owned());
        let text = text.trim().replace('\u{a0}', " ").replace('’', "'").replace('‒', "-").replace('―', "—");
        if text.is_empty() {
            return text;
        }
        let text = self.time.replace(&text, time);
        let text = self.date_iso.replace(&text, |m| {
            self.dated(m.group(1), m.number(2), m.number(3)).unwrap_or_else(|| m.group(0).to_owned())
        });
        let text = self.date.replace(&text, |m| self.slashed(m));
        let text = self.money(&text);
        let text = self.units(&text);
        let text = self.months(&text);
        let text = self.abbreviations(&text);
        let text = self.figures(&text);
        let mut text = self.plus.replace(&text, |_| "plus ".to_owned());
        for (symbol, word, pattern) in &self.symbols {
            if text.contains(symbol.as_str()) {
                text = pattern.replace(&text, |_| word.clone());
            }
        }
        let text = self.space.replace(&text, |_| " ".to_owned());
        self.space_before.replace(&text, |m| m.group(1).to_owned()).trim().to_owned()
    }

    fn money(&self, text: &str) -> String {
        let currency = &self.tables.currency;
        let text = self.big_money.replace(text, |m| {
            format!("{} {} {}", m.group(2), scale(m.group(3)), counted(currency, m.group(1), "2"))
        });
        let text =
            self.cents.replace(&text, |m| format!("{} {}", m.group(1), counted(currency, "¢", m.group(1))));
        self.currency.replace(&text, |m| {
            let (symbol, number) = (m.group(1).trim_end_matches('.'), m.group(2));
            match m.group(3) {
                "" => format!("{number} {}", counted(currency, symbol, number)),
                big => format!("{number} {} {}", scale(big), counted(currency, symbol, "2")),
            }
        })
    }

    fn units(&self, text: &str) -> String {
        let text = self.degrees.replace(text, |m| {
            let one = matches!(m.group(1).replace(',', "").as_str(), "1" | "1.0" | "-1");
            let of = match m.group(2) {
                "C" => " Celsius",
                "F" => " Fahrenheit",
                _ => "",
            };
            format!("{} {}{of}", m.group(1), if one { "degree" } else { "degrees" })
        });
        self.unit.replace(&text, |m| {
            format!("{} {}", m.group(1), counted(&self.tables.units, m.group(2), m.group(1)))
        })
    }

    fn months(&self, text: &str) -> String {
        let month = |name: &str| {
            let start: String = name.to_lowercase().chars().take(3).collect();
            said(&self.tables.months, &start).to_owned()
        };
        let text = self.month_day.replace(text, |m| match m.number(2) {
            1..=31 => format!("{} {}{}", month(m.group(1)), ordinal(m.group(2)), m.group(3)),
            _ => m.group(0).to_owned(),
        });
        self.day_month.replace(&text, |m| match m.number(2) {
            1..=31 => format!("the {} of {}", ordinal(m.group(2)), month(m.group(3))),
            _ => m.group(0).to_owned(),
        })
    }

    fn abbreviations(&self, text: &str) -> String {
        let text = self.title.replace(text, |m| said(&self.tables.titles, m.group(1)).to_owned() + " ");
        self.abbreviation.replace(&text, |m| {
            let word = said(&self.tables.abbreviations, m.group(1));
            // The point also ended the sentence.
            let end = if m.after.is_empty() && m.group(1).ends_with('.') { "." } else { "" };
            format!("{word}{end}")
        })
    }

    fn figures(&self, text: &str) -> String {
        let text = self
            .number_sign
            .replace(text, |m| if m.group(1) == "No" { "Number " } else { "Numbers " }.to_owned());
        let text = self.hash.replace(&text, |_| "number ".to_owned());
        let text = self.roman_cardinal.replace(&text, |m| format!("{} {}", m.group(1), roman(m.group(2))));
        let text = self
            .roman_ordinal
            .replace(&text, |m| format!("{} the {}", m.group(1), ordinal(&roman(m.group(2)).to_string())));
        let text = self.phone.replace(&text, |m| {
            let spaced: Vec<String> = m.group(0).replace('-', ", ").chars().map(String::from).collect();
            spaced.join(" ")
        });
        let text = self.fraction.replace(&text, |m| self.divided(m));
        self.range.replace(&text, |m| format!("{} to {}", m.group(1), m.group(2)))
    }

    /// "March third, 2024"
    fn dated(&self, year: &str, month: usize, day: usize) -> Option<String> {
        let name = self.tables.months.values().nth(month.checked_sub(1)?)?.as_str()?;
        let day = (1..=31).contains(&day).then(|| ordinal(&day.to_string()))?;
        Some(if year.is_empty() { format!("{name} {day}") } else { format!("{name} {day}, {year}") })
    }

    /// A date with slashes: the month first, unless that cannot be.
    fn slashed(&self, m: &Found<'_>) -> String {
        let (a, b, year) = (m.number(1), m.number(2), m.group(3));
        let century = match year.len() {
            2 if year > "30" => "19",
            2 => "20",
            _ => "",
        };
        let (month, day) = if a <= 12 { (a, b) } else { (b, a) };
        self.dated(&format!("{century}{year}"), month, day).unwrap_or_else(|| m.group(0).to_owned())
    }

    /// A fraction, a day of a month, or what it says.
    fn divided(&self, m: &Found<'_>) -> String {
        const NAMES: [&str; 9] =
            ["half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
        let (a, b) = (m.number(1), m.number(2));
        if 0 < a && a < b && b <= 10 {
            return match (a, NAMES[b - 2]) {
                (1, "half") => "one half".to_owned(),
                (1, name) => format!("1 {name}"),
                (_, "half") => format!("{a} halves"),
                (_, name) => format!("{a} {name}s"),
            };
        }
        self.dated("", a, b).unwrap_or_else(|| format!("{a} slash {b}"))
    }
}

fn scale(letter: &str) -> String {
    match letter.to_lowercase().as_str() {
        "k" => "thousand".to_owned(),
        "m" => "million".to_owned(),
        "b" => "billion".to_owned(),
        _ => letter.to_owned(),
    }
}

/// "seven thirty P.M."
fn time(m: &Found<'_>) -> String {
    let (hour, minute, second) = (m.number(1), m.number(2), m.group(3));
    let (half, seconds) = (m.group(4), m.number(3));
    if hour > 24 || minute > 59 || (!second.is_empty() && seconds > 59) {
        return m.group(0).to_owned();
    }
    let mut words = cardinal(m.group(1));
    match minute {
        0 if half.is_empty() && second.is_empty() => words += " o'clock",
        0 => {}
        1..10 => words = words + " oh " + &cardinal(m.group(2)),
        _ => words = words + " " + &cardinal(m.group(2)),
    }
    if !second.is_empty() {
        let unit = if seconds == 1 { " second" } else { " seconds" };
        words = words + " and " + &cardinal(second) + unit;
    }
    if !half.is_empty() {
        // With points, so that the lexicon spells the letters.
        let end = if m.after.starts_with('.') { "" } else { "." };
        words = words + " " + &half.to_uppercase() + ".M" + end;
    }
    words
}

fn roman(text: &str) -> usize {
    let values: Vec<usize> = text
        .chars()
        .map(|c| match c {
            'I' => 1,
            'V' => 5,
            'X' => 10,
            'L' => 50,
            'C' => 100,
            'D' => 500,
            _ => 1000,
        })
        .collect();
    // A smaller one before a larger is taken away, which the pattern allows only where the whole stays positive.
    values.iter().enumerate().fold(0isize, |sum, (i, &value)| {
        if values.get(i + 1).is_some_and(|next| *next > value) {
            sum - value as isize
        } else {
            sum + value as isize
        }
    }) as usize
}
