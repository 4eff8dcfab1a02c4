//! English text to phonemes: what is written short is written out, text becomes words with their parts of speech, and words become
//! phonemes by two dictionaries, rules for what stands around them, and a network for words that no dictionary has. Tables and
//! networks are the voice's own files.

mod amounts;
mod dictionary;
mod groups;
mod lexicon;
mod normalise;
mod numbers;
mod oov;
mod patterns;
mod stress;
mod tagger;
mod tokens;

use dictionary::Dictionary;
use flate2::read::GzDecoder;
use groups::Pieces;
use lexicon::Lexicon;
use normalise::Normaliser;
use oov::Unknown;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Compute;
use patterns::Pattern;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tagger::Tagger;
use tokens::Tokenizer;

/// A table larger than this (64 MB) is none of a voice's.
const LARGEST: u64 = 64 << 20;

/// Reads English.
pub(crate) struct English {
    normaliser: Normaliser,
    tokenizer: Tokenizer,
    tagger: Tagger,
    lexicon: Lexicon,
    oov: Unknown,
    pieces: Pieces,
    link: Pattern,
    compute: Arc<Compute>,
}

/// A word or a piece of one, on its way to phonemes.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    tag: String,
    /// Whether a space follows.
    space: bool,
    phonemes: Option<String>,
    /// What is read in its place.
    alias: Option<&'static str>,
    currency: Option<char>,
    /// Whether it begins a word.
    is_head: bool,
    /// Whether its phonemes stand apart from those before.
    prespace: bool,
}

/// A voice's file, unpacked where its name says that it is packed.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let failed = |e: std::io::Error| Error::from(e).within(format!("cannot read {}", path.display()));
    let file = std::fs::File::open(&path).map_err(failed)?;
    let mut bytes = Vec::new();
    match name.ends_with(".gz") {
        true => GzDecoder::new(file).take(LARGEST + 1).read_to_end(&mut bytes),
        false => file.take(LARGEST + 1).read_to_end(&mut bytes),
    }
    .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("{} holds more than 64 MB: it is none of a voice's files", path.display());
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok(bytes)
}

pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(json: &[u8], name: &str) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("the voice's {name} cannot be read: {e}")))
}

impl English {
    /// Reads the tables of American English from a voice's folder.
    ///
    /// # Errors
    /// When a file is missing or damaged, naming it.
    pub(crate) fn open(folder: &Path, compute: &Arc<Compute>) -> Result<Self> {
        let lexicon = |kind: &str| {
            let name = format!("lexicon_us_{kind}.json.gz");
            Dictionary::new(&read(folder, &name)?, &name)
        };
        // The large tables at once: reading them is most of what loading takes.
        std::thread::scope(|scope| {
            let gold = scope.spawn(|| lexicon("gold"));
            let tagger = scope.spawn(|| Tagger::new(&read(folder, "tagger.json.gz")?));
            let silver = scope.spawn(|| lexicon("silver"));
            let normaliser = Normaliser::new(&read(folder, "normalize.json")?)?;
            let tokenizer = Tokenizer::new(&read(folder, "tokenizer_exceptions.json")?)?;
            let json = read(folder, "oov.json")?;
            let oov = Unknown::new(&read(folder, "oov.onnx")?, &json, compute)?;
            let failed = |_| Error::new(ErrorKind::Internal, "a thread that reads a voice's tables panicked");
            let gold = gold.join().map_err(failed)??;
            let silver = silver.join().map_err(failed)??;
            Ok(Self {
                normaliser,
                tokenizer,
                tagger: tagger.join().map_err(failed)??,
                lexicon: Lexicon::new(gold, silver)?,
                oov,
                pieces: Pieces::new()?,
                link: Pattern::new(r"\[([^\]]+)\]\(([^\)]*)\)")?,
                compute: Arc::clone(compute),
            })
        })
    }

    /// The phonemes of a sentence. `[text](/phonemes/)` says how a text is spoken.
    pub(crate) fn say(&self, sentence: &str) -> String {
        let text = self.normaliser.run(sentence);
        let mut said = String::new();
        for token in self.phonemes(self.tokens(&text)) {
            said += token.phonemes.as_deref().unwrap_or_default();
            if token.space {
                said.push(' ');
            }
        }
        said.trim().to_owned()
    }

    /// Words after which a point ends no sentence, such as "Dr".
    pub(crate) fn titles(&self) -> impl Iterator<Item = &str> {
        self.normaliser.titles()
    }

    /// Whether a character is said, alone or in a word, or at least heard as a pause.
    pub(crate) fn can_say(&self, character: char) -> bool {
        use unicode_normalization::UnicodeNormalization;
        let one = |c: char| {
            c.is_ascii_graphic()
                || c.is_whitespace()
                || self.oov.knows(c)
                || self.normaliser.knows(c)
                || lexicon::decimal_digit(c).is_ascii_digit()
        };
        one(character) || std::iter::once(character).nfkc().all(one)
    }

    fn tokens(&self, text: &str) -> Vec<Token> {
        let (mut tokens, mut from) = (Vec::new(), 0);
        for found in self.link.all(text) {
            let (Some(whole), Some(word), Some(said)) = (found.get(0), found.get(1), found.get(2)) else {
                continue;
            };
            self.words(&text[from..whole.start()], &mut tokens);
            let phonemes = said.as_str().strip_prefix('/').and_then(|said| said.strip_suffix('/'));
            tokens.push(Token {
                space: text[whole.end()..].starts_with(char::is_whitespace),
                phonemes: phonemes.map(str::to_owned),
                ..Token::new(word.as_str(), "NN", false)
            });
            from = whole.end();
        }
        self.words(&text[from..], &mut tokens);
        tokens
    }

    fn words(&self, text: &str, out: &mut Vec<Token>) {
        let words = self.tokenizer.run(text);
        let texts: Vec<&str> = words.iter().map(|(text, _)| text.as_str()).collect();
        let tags = self.tagger.run(&texts);
        out.extend(words.iter().zip(tags).map(|((text, space), tag)| Token::new(text, tag, *space)));
    }
}

impl Token {
    fn new(text: &str, tag: &str, space: bool) -> Self {
        Self {
            text: text.to_owned(),
            tag: tag.to_owned(),
            space,
            phonemes: None,
            alias: None,
            currency: None,
            is_head: true,
            prespace: false,
        }
    }
}

/// What a sign is read as where nothing else is known of it.
fn symbol(sign: char) -> &'static str {
    match sign {
        '/' => "slˈæʃ",
        '=' => "ˈikwᵊlz",
        '+' => "plˈʌs",
        '&' => "ænd",
        '@' => "æt",
        '%' => "pəɹsˈɛnt",
        '#' => "hˈæʃ",
        '*' => "ˈæstəɹˌɪsk",
        '~' => "tˈɪldə",
        '^' => "kˈɛɹət",
        '<' => "lˈɛs ðən",
        '>' => "ɡɹˈATəɹ ðən",
        '—' => "—",
        _ => "",
    }
}
