//! The table of pre-tokenizers by the name that GGUF files use (`tokenizer.ggml.pre`). The patterns are those of each
//! family's published tokenizer.json.

use super::Stage;
use super::class::{Char, Class};
use super::rules::{Modern, Tail, Word};
use fancy_regex::Regex;
use parasol_core::{Error, ErrorKind, Result};

/// How a family splits and what else depends on its name.
#[derive(Clone)]
pub(crate) struct Family {
    /// Passes over the text, in order.
    pub stages: Vec<Stage>,
    /// A word that is a token as a whole is taken whole, without merging.
    pub whole_words: bool,
    /// `bos` is added unless the file says otherwise.
    pub add_bos: bool,
    /// Tokens are raw characters with U+2581 for a space, not the byte alphabet.
    pub raw: bool,
}

const LLAMA3: Modern = Modern { contractions: true, word: Word::Letters, digits: 3, tail: Tail::Newlines };
const QWEN2: Modern = Modern { digits: 1, ..LLAMA3 };
const GPT4O: Modern = Modern {
    contractions: false,
    word: Word::Cased { contraction: true },
    digits: 3,
    tail: Tail::NewlinesAndSlashes,
};

/// The family called `pre`.
///
/// # Errors
/// `Unsupported` for a name that is not known.
pub(crate) fn family(pre: &str) -> Result<Family> {
    let (stages, whole_words, add_bos) = match pre {
        "" | "default" => (default_stages(), false, false),
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de" | "jina-v1-en"
        | "jina-v2-code" | "roberta-bpe" | "gigachat" | "a.x-4.0" | "mellum" | "modern-bert" | "mpt"
        | "olmo" | "jais" | "exaone4" | "trillion" | "granite-docling" => (vec![Stage::Gpt2], false, false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => (vec![NUMBERS_1, Stage::Gpt2], false, false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => (vec![Stage::Modern(LLAMA3)], true, true),
        "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => (vec![Stage::Modern(LLAMA3)], false, false),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2" | "hunyuan"
        | "solar-open" | "grok-2" | "bailingmoe" | "bailingmoe2" | "llada-moe" => {
            (vec![Stage::Modern(QWEN2)], false, false)
        }
        "qwen35" => (vec![Stage::Modern(Modern { word: Word::LettersAndMarks, ..QWEN2 })], false, false),
        "seed-coder" => (vec![Stage::Modern(Modern { tail: Tail::None, ..QWEN2 })], false, false),
        "ufakzeka" => (vec![Stage::Modern(Modern { contractions: false, ..QWEN2 })], false, false),
        "minicpm5" => (vec![NUMBERS_3, Stage::Modern(Modern { digits: usize::MAX, ..QWEN2 })], true, false),
        "laguna" => (vec![LINES, Stage::Modern(QWEN2)], false, false),
        "tekken" => {
            let word = Word::Cased { contraction: false };
            (vec![Stage::Modern(Modern { word, digits: 1, ..GPT4O })], true, true)
        }
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => {
            (vec![Stage::Modern(GPT4O)], false, false)
        }
        "granite-embed-multi-97m" => (vec![Stage::Modern(GPT4O)], true, false),
        "tiny_aya" | "cohere2moe" => {
            (vec![pattern(r"\d{1,3}(?=(?:\d{3})*\b)")?, Stage::Modern(GPT4O)], false, false)
        }
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            (vec![NUMBERS_3, HAN_AND_KANA, Stage::DeepSeek3], false, false)
        }
        "falcon" => (vec![FALCON_SIGNS, Stage::Gpt2, DIGITS_3], false, false),
        // The rest is rare: its regular expressions run as written.
        _ => rare(pre)?,
    };
    Ok(Family { stages, whole_words, add_bos, raw: false })
}

/// Gemma 4's tokenizer, which is no byte-level one: lines of raw characters.
pub(crate) fn gemma4() -> Family {
    Family { stages: vec![LINES], whole_words: false, add_bos: true, raw: true }
}

/// `\s?` and the letters of cased scripts, as DeepSeek LLM lists them.
const CASED_SCRIPTS: &str = concat!(
    r"\s?[A-Za-z",
    r"\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}",
    r"\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}",
    r"\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}",
    r"\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}",
    r"\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}",
    r"\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{3CE}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}",
    r"\u{3B9}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{390}\u{1FD6}-\u{38A}\u{1FE0}-\u{1FEC}",
    r"\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}",
    r"\u{2124}\u{3A9}\u{2128}\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}",
    r"\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}",
    r"\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}",
    r"\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}",
    r"\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}",
    r"\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}",
    r"]+"
);

fn rare(pre: &str) -> Result<(Vec<Stage>, bool, bool)> {
    let stages = match pre {
        "deepseek-llm" => vec![
            pattern(r"[\r\n]")?,
            pattern(CASED_SCRIPTS)?,
            pattern(r"\s?[!-/:-~！-／：-～‘-‟\u{3000}-。]+")?,
            pattern(r"\s+$")?,
            pattern(r"[一-龥ࠀ-一가-\u{D7FF}]+")?,
            NUMBERS,
        ],
        "deepseek-coder" => vec![
            pattern(r"[\r\n]")?,
            pattern(r"\s?\p{L}+")?,
            pattern(r"\s?\p{P}+")?,
            pattern(r"[一-龥ࠀ-一가-\u{D7FF}]+")?,
            NUMBERS_1,
        ],
        "poro-chat" | "bloom" | "gpt3-finnish" => vec![pattern(r" ?[^(\s|.,!?…。，、।۔،)]+")?],
        "viking" => vec![pattern(r" ?[^(\s|.,!?…。，、।۔،)]+")?, NUMBERS_1],
        "jais-2" => vec![pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        )?],
        "exaone-moe" => vec![pattern(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        )?],
        "superbpe" => vec![NUMBERS, pattern(r"(?=(\d{3})+(?!\d))")?],
        "chameleon" => vec![
            pattern(r"<sentinel:[0-9]+>")?,
            pattern(r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z")?,
            pattern(r"([\t\n]|    |  )")?,
            NUMBERS_1,
            pattern(r"[\p{P}!-/:-@\[-`{-~]")?,
            Stage::Gpt2,
        ],
        "kimi-k2" => vec![pattern(
            r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )?],
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the model names the pre-tokenizer `{pre}`, which this version does not know: use a newer Parasol, \
                     or the model's Hugging Face folder with its tokenizer.json"
                ),
            ));
        }
    };
    Ok((stages, false, pre == "chameleon"))
}

/// Files that name no pre-tokenizer are split as llama.cpp splits them.
fn default_stages() -> Vec<Stage> {
    vec![DEFAULT_SIGNS, Stage::Gpt2, NUMBERS, DIGITS_3]
}

const fn numbers(most: usize) -> Stage {
    Stage::Run { accepts: |c| c.class.is(Class::NUMBER), least: 1, most }
}

const NUMBERS: Stage = numbers(usize::MAX);
const NUMBERS_1: Stage = numbers(1);
const NUMBERS_3: Stage = numbers(3);
/// `[0-9][0-9][0-9]`
const DIGITS_3: Stage = Stage::Run { accepts: |c| matches!(c.code, 0x30..=0x39), least: 3, most: 3 };
/// `[一-龥぀-ゟ゠-ヿ]+`
const HAN_AND_KANA: Stage = Stage::Run {
    accepts: |c| matches!(c.code, 0x4E00..=0x9FA5 | 0x3040..=0x30FF),
    least: 1,
    most: usize::MAX,
};
/// `[^\n]+|[\n]+`: what lies between runs of newlines is a piece as well.
const LINES: Stage = Stage::Run { accepts: |c| c.code == 0x0A, least: 1, most: usize::MAX };
/// `[\p{P}\$\+<=>\^~\|]+`
const DEFAULT_SIGNS: Stage = Stage::Run { accepts: default_sign, least: 1, most: usize::MAX };
/// The same and the backtick.
const FALCON_SIGNS: Stage =
    Stage::Run { accepts: |c| default_sign(c) || c.code == 0x60, least: 1, most: usize::MAX };

fn default_sign(c: &Char) -> bool {
    c.class.is(Class::PUNCTUATION) || (c.code < 0x80 && b"$+<=>^~|".contains(&(c.code as u8)))
}

fn pattern(source: &str) -> Result<Stage> {
    let regex = Regex::new(source).map_err(|e| {
        Error::new(ErrorKind::Internal, format!("the pre-tokenizer pattern {source} does not compile: {e}"))
    })?;
    Ok(Stage::Pattern(Box::new(regex)))
}
