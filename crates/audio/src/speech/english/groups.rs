//! Tokens as they are spoken: pieces of words ("B-52s" is three), gathered into groups that belong together, and the phonemes that a
//! group gets as a whole or piece by piece.

use super::amounts::is_currency;
use super::lexicon::{CONTEXT_START, Context, Spoken};
use super::patterns::Pattern;
use super::stress::{self, CONSONANTS, PRIMARY, VOWELS};
use super::{English, Token, symbol};
use parasol_core::Result;
use std::collections::BTreeSet;

/// Pieces that are looked up as one word at most.
const MOST_PIECES: usize = 32;

/// What joins pieces of a word and is not spoken.
const JUNK: &str = "',-._‘’/";
/// Punctuation that the voice knows, and of it what is no quotation mark.
const PUNCTUATION: &str = ";:,.!?—…\"“”";
const PAUSES: &str = ";:,.!?—…";
const PUNCTUATION_TAGS: [&str; 11] = [".", ",", "-LRB-", "-RRB-", "``", "\"\"", "''", ":", "$", "#", "NFP"];

/// The patterns by which words are divided.
pub(super) struct Pieces {
    inside: Pattern,
    fallback: Pattern,
}

impl Pieces {
    pub(super) fn new() -> Result<Self> {
        let (upper, lower) = ("[A-ZÀ-ÖØ-Þ]", "[a-zß-öø-ÿ]");
        Ok(Self {
            inside: Pattern::new(&format!(
                r"^['‘’]+|{upper}(?={upper}{lower})|(?:^-)?(?:\d?[,.]?\d)+|[-_]+|['‘’]{{2,}}|[^\W\d_]*?(?:['‘’][^\W\d_])*?{lower}(?={upper})|[^\W\d_]+(?:['‘’][^\W\d_])*|[^\w\-'‘’]|['‘’]+$"
            ))?,
            fallback: Pattern::new(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[,.]\d+)*|[^\w\s]+")?,
        })
    }
}

/// Pieces of a word; `open` while the next piece may join.
struct Group {
    tokens: Vec<Token>,
    open: bool,
}

fn junk(text: &str) -> bool {
    text.chars().all(|c| JUNK.contains(c))
}

/// Tokens as one.
fn merged(tokens: &[Token]) -> Token {
    let (mut text, mut phonemes) = (String::new(), String::new());
    for (i, token) in tokens.iter().enumerate() {
        text += &token.text;
        if token.space && i + 1 < tokens.len() {
            text.push(' ');
        }
        let said = token.phonemes.as_deref().unwrap_or_default();
        if token.prespace && !said.is_empty() && phonemes.ends_with(|c: char| !c.is_whitespace()) {
            phonemes.push(' ');
        }
        phonemes += said;
    }
    // Capitals count twice; of equal pieces the first gives its tag.
    let weight = |token: &Token| -> usize {
        token.text.chars().map(|c| if c.to_lowercase().eq([c]) { 1 } else { 2 }).sum()
    };
    let heaviest = tokens.iter().rev().max_by_key(|token| weight(token));
    Token {
        text,
        tag: heaviest.map_or(String::new(), |token| token.tag.clone()),
        space: tokens.last().is_some_and(|token| token.space),
        phonemes: Some(phonemes),
        alias: None,
        currency: tokens.iter().filter_map(|token| token.currency).max(),
        is_head: tokens.first().is_some_and(|token| token.is_head),
        prespace: tokens.first().is_some_and(|token| token.prespace),
    }
}

impl English {
    /// Words to groups of pieces, some of which have their phonemes already.
    fn gather(&self, tokens: Vec<Token>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut currency = None;
        for i in 0..tokens.len() {
            let pieces = self.divide(&tokens[i]);
            let next_counts = tokens.get(i + 1).is_some_and(|token| token.tag == "CD");
            for j in 0..pieces.len() {
                let mut piece = pieces[j].clone();
                mark(&mut piece, &pieces, j, next_counts, &mut currency);
                if piece.alias.is_some() || piece.phonemes.is_some() {
                    groups.push(Group { tokens: vec![piece], open: false });
                    continue;
                }
                let joins = groups
                    .last_mut()
                    .filter(|group| group.open && group.tokens.last().is_some_and(|last| !last.space));
                match joins {
                    Some(group) => {
                        piece.is_head = false;
                        group.tokens.push(piece);
                    }
                    None => groups.push(Group { open: !piece.space, tokens: vec![piece] }),
                }
            }
        }
        groups
    }

    fn divide(&self, token: &Token) -> Vec<Token> {
        if token.alias.is_some() || token.phonemes.is_some() {
            return vec![token.clone()];
        }
        let piece = |text: &str| Token {
            text: text.to_owned(),
            space: false,
            is_head: true,
            prespace: false,
            ..token.clone()
        };
        let mut pieces: Vec<Token> =
            self.pieces.inside.all(&token.text).filter_map(|m| Some(piece(m.get(0)?.as_str()))).collect();
        if pieces.is_empty() {
            pieces.push(piece(&token.text));
        }
        if let Some(last) = pieces.last_mut() {
            last.space = token.space;
        }
        pieces
    }

    /// Gives every token its phonemes; groups become one token each.
    pub(super) fn phonemes(&self, tokens: Vec<Token>) -> Vec<Token> {
        let mut groups = self.gather(tokens);
        let mut context = CONTEXT_START;
        // From the end, since how a word is spoken depends on the next.
        for group in groups.iter_mut().rev() {
            match &mut group.tokens[..] {
                [token] => {
                    if token.phonemes.is_none() {
                        let said = self.lexicon.say(spoken(token), context);
                        token.phonemes = Some(said.unwrap_or_else(|| self.unknown(&token.text)));
                    }
                    let said = token.phonemes.as_deref().unwrap_or_default();
                    context = following(context, said, &token.text, &token.tag);
                }
                tokens => self.group(tokens, &mut context),
            }
        }
        let mut all: Vec<Token> = groups
            .into_iter()
            .filter_map(|mut group| match group.tokens.len() {
                1 => group.tokens.pop(),
                _ => Some(merged(&group.tokens)),
            })
            .collect();
        for phonemes in all.iter_mut().filter_map(|token| token.phonemes.as_mut()) {
            *phonemes = phonemes.replace('ɾ', "T").replace('ʔ', "t");
        }
        all
    }

    /// The longest runs of pieces that the lexicon knows, from the end; a piece that it knows alone in no way sends the whole group
    /// to the network for unknown words.
    fn group(&self, tokens: &mut [Token], context: &mut Context) {
        let (mut left, mut right) = (tokens.len().saturating_sub(MOST_PIECES), tokens.len());
        while left < right {
            let run = &tokens[left..right];
            let free = run.iter().all(|token| token.alias.is_none() && token.phonemes.is_none());
            let whole = free.then(|| merged(run));
            let said = whole.as_ref().and_then(|whole| self.lexicon.say(spoken(whole), *context));
            if let (Some(whole), Some(said)) = (whole, said) {
                *context = following(*context, &said, &whole.text, &whole.tag);
                tokens[left..right].iter_mut().for_each(|token| token.phonemes = Some(String::new()));
                tokens[left].phonemes = Some(said);
                (left, right) = (left.saturating_sub(MOST_PIECES), left);
            } else if left + 1 < right {
                left += 1;
            } else {
                right -= 1;
                if tokens[right].phonemes.is_none() {
                    if !junk(&tokens[right].text) {
                        let said = self.unknown(&merged(tokens).text);
                        tokens.iter_mut().for_each(|token| token.phonemes = Some(String::new()));
                        tokens[0].phonemes = Some(said);
                        return;
                    }
                    tokens[right].phonemes = Some(String::new());
                }
                left = right.saturating_sub(MOST_PIECES);
            }
        }
        resolve(tokens);
    }

    /// A word that the lexicon does not know: letters by the network, digits as a number, signs by their names.
    fn unknown(&self, word: &str) -> String {
        let mut said = Vec::new();
        for found in self.pieces.fallback.all(word) {
            let piece = found.get(0).map_or("", |m| m.as_str());
            let phonemes = match piece.chars().next() {
                Some(c) if c.is_ascii_digit() => self.lexicon.number(piece, None, false),
                Some(c) if c.is_alphabetic() => self.oov.say(piece, &self.compute),
                _ => Some(piece.chars().map(symbol).collect::<String>()),
            };
            said.extend(phonemes.filter(|p| !p.is_empty()));
        }
        said.join(" ")
    }
}

fn spoken(token: &Token) -> Spoken<'_> {
    Spoken {
        text: token.alias.unwrap_or(&token.text),
        tag: &token.tag,
        currency: token.currency,
        is_head: token.is_head,
    }
}

/// What the word before will know of this one.
fn following(context: Context, phonemes: &str, text: &str, tag: &str) -> Context {
    let first = phonemes.chars().find_map(|c| match c {
        _ if PAUSES.contains(c) => Some(None),
        _ if VOWELS.contains(c) => Some(Some(true)),
        _ if CONSONANTS.contains(c) => Some(Some(false)),
        _ => None,
    });
    Context {
        future_vowel: first.unwrap_or(context.future_vowel),
        future_to: matches!(text, "to" | "To") || text == "TO" && matches!(tag, "TO" | "IN"),
    }
}

/// Phonemes of punctuation, which amount belongs to a currency, and the 2 that is read "to".
fn mark(piece: &mut Token, pieces: &[Token], j: usize, next_counts: bool, currency: &mut Option<char>) {
    if piece.alias.is_some() || piece.phonemes.is_some() {
        return;
    }
    let tag = piece.tag.as_str();
    let letters = piece.text.chars().flat_map(char::to_lowercase).all(|c| c.is_ascii_lowercase());
    let sign = is_currency(&piece.text).filter(|_| tag == "$");
    if sign.is_some() {
        *currency = sign;
        piece.phonemes = Some(String::new());
    } else if tag == ":" && matches!(piece.text.as_str(), "-" | "–") {
        piece.phonemes = Some("—".to_owned());
    } else if PUNCTUATION_TAGS.contains(&tag) && !letters {
        piece.phonemes = Some(match tag {
            "-LRB-" => "(".to_owned(),
            "-RRB-" => ")".to_owned(),
            "``" => "“".to_owned(),
            "\"\"" | "''" => "”".to_owned(),
            _ => piece.text.chars().filter(|c| PUNCTUATION.contains(*c)).collect(),
        });
    } else if currency.is_some() {
        if tag != "CD" {
            *currency = None;
        } else if j + 1 == pieces.len() && !next_counts {
            piece.currency = *currency;
        }
    } else if j > 0 && j + 1 < pieces.len() && piece.text == "2" {
        let beside = [pieces[j - 1].text.chars().next_back(), pieces[j + 1].text.chars().next()];
        if beside.iter().all(|c| c.is_some_and(char::is_alphabetic)) {
            piece.alias = Some("to");
        }
    }
}

/// Spaces and stress between the pieces of a group.
fn resolve(tokens: &mut [Token]) {
    let whole = merged(tokens).text;
    let kinds: BTreeSet<u8> = whole
        .chars()
        .filter(|c| !JUNK.contains(*c))
        .map(|c| match c {
            _ if c.is_alphabetic() => 0,
            _ if c.is_ascii_digit() => 1,
            _ => 2,
        })
        .collect();
    let apart = whole.contains([' ', '/']) || kinds.len() > 1;
    let last = tokens.len() - 1; // a group has several
    for (i, token) in tokens.iter_mut().enumerate() {
        if token.phonemes.is_some() {
            if i > 0 {
                token.prespace = apart;
            }
        } else if i == last && token.text.chars().count() == 1 && PAUSES.contains(&token.text) {
            token.phonemes = Some(token.text.clone());
        } else if junk(&token.text) {
            token.phonemes = Some(String::new());
        }
    }
    if apart {
        return;
    }
    let mut stressed: Vec<(bool, usize, usize)> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if let Some(phonemes) = token.phonemes.as_deref().filter(|p| !p.is_empty()) {
            stressed.push((phonemes.contains(PRIMARY), stress::weight(phonemes), i));
        }
    }
    // A letter before a word is the stronger.
    let letter = stressed.first().is_some_and(|(_, _, i)| tokens[*i].text.chars().count() == 1);
    let mut weaken = |i: usize| {
        let weaker = tokens[i].phonemes.as_deref().map(|phonemes| stress::apply(phonemes, Some(-0.5)));
        tokens[i].phonemes = weaker;
    };
    match stressed[..] {
        [_, (_, _, second)] if letter => weaken(second),
        _ if stressed.len() < 2
            || stressed.iter().filter(|(primary, ..)| *primary).count() <= stressed.len().div_ceil(2) => {}
        _ => {
            stressed.sort_unstable();
            stressed[..stressed.len() / 2].iter().for_each(|(_, _, i)| weaken(*i));
        }
    }
}
